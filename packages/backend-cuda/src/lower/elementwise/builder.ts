import type { Value } from '@lowlat/onnx'
import type { Instruction, Operand, Operation } from '../../kernels/elementwise-program.ts'
import type { View } from '../../program/view.ts'
import type { Facts } from '../facts.ts'

/** A value inside a program that is being built. */
export type Term =
  | { readonly kind: 'read'; readonly index: number }
  | { readonly kind: 'result'; readonly index: number }
  | { readonly kind: 'constant'; readonly value: number }

/** A tensor that a program reads. */
interface Read {
  readonly value: Value
  /** Brings it into a shape that broadcasts to the result's. */
  readonly arrange: (view: View) => View
}

const asItIs = (view: View): View => view

/** Collects the instructions of element-wise nodes. */
export class ProgramBuilder {
  readonly facts: Facts
  readonly reads: Read[] = []
  readonly #instructions: { operation: Operation; terms: readonly Term[] }[] = []
  readonly #inner = new Map<Value, Term>()

  constructor(facts: Facts) {
    this.facts = facts
  }

  /** What a node of the program reads: the result of another one, a number, or a tensor. */
  operand(value: Value): Term {
    return this.#inner.get(value) ?? this.#scalar(value) ?? this.read(value)
  }

  /** As {@link operand}, of what comes from outside, under another shape. */
  arranged(value: Value, arrange: (view: View) => View): Term {
    return this.#scalar(value) ?? this.read(value, arrange)
  }

  read(value: Value, arrange = asItIs): Term {
    const found = this.reads.findIndex((one) => one.value === value && one.arrange === arrange)
    if (found >= 0) return { kind: 'read', index: found }
    this.reads.push({ value, arrange })
    return { kind: 'read', index: this.reads.length - 1 }
  }

  /** Numbers that a double holds exactly, and that broadcast to anything. */
  #scalar(value: Value): Term | undefined {
    const numbers = this.facts.numbers(value)
    const [number] = numbers ?? []
    if (numbers?.length !== 1 || number === undefined) return undefined
    if (Number.isInteger(number) && !Number.isSafeInteger(number) && this.facts.dtype(value).includes('int64')) {
      return undefined
    }
    return constant(number)
  }

  apply(operation: Operation, ...terms: Term[]): Term {
    this.#instructions.push({ operation, terms })
    return { kind: 'result', index: this.#instructions.length - 1 }
  }

  /** Says what a node of the program computes. */
  define(value: Value, term: Term): void {
    this.#inner.set(value, term)
  }

  /** Whether a node's result is computed inside of the program. */
  isInner(value: Value): boolean {
    return this.#inner.has(value)
  }

  instructions(): Instruction[] {
    return this.#instructions.map(({ operation, terms }) => ({
      operation,
      operands: terms.map((term) => this.encode(term)),
    }))
  }

  encode(term: Term): Operand {
    if (term.kind === 'constant') return { constant: term.value }
    return term.kind === 'read' ? term.index : this.reads.length + term.index
  }
}

export const constant = (value: number): Term => ({ kind: 'constant', value })
