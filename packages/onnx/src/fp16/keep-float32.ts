import { InputError } from '@lowlat/core'
import { fusedOutput } from '../graph/fused-output.ts'
import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { topologicalOrder, walkNodes } from '../graph/order.ts'
import type { Value } from '../graph/value.ts'
import { hasFloat16, isHeavy, overflowProne, staysFloat32 } from './operators.ts'
import { type HalfConstants, LARGEST_FLOAT16 } from './precision.ts'

type MeasuredRanges = ReadonlyMap<string, { readonly min: number; readonly max: number }>

export interface KeepOptions {
  /** Names of nodes and operator types to keep in float32, beside those that are kept by themselves. */
  readonly keepFloat32?: readonly string[]
  /** Operator types to convert although they may overflow, for example 'Softmax'. */
  readonly convert?: readonly string[]
  /** What was measured, by value: what comes near float16's limit is computed and read in float32. */
  readonly ranges?: MeasuredRanges
}

/** What was measured on samples must leave room for other inputs. */
const RANGE_MARGIN = 4

/** Why each node that has to do with floats keeps computing in float32. */
export class Kept {
  readonly reasons = new Map<Node, string>()
  readonly #graph: Graph
  readonly #nodes: readonly Node[]
  readonly #constants: HalfConstants

  /** @param graph with types. @throws InputError INVALID_ARGUMENT for names that it does not have. */
  constructor(graph: Graph, constants: HalfConstants, options: KeepOptions) {
    this.#graph = graph
    this.#nodes = [...walkNodes(graph)].filter(touchesFloats)
    this.#constants = constants
    this.#keepOperators(options)
    this.#keepIntegerLayers()
    this.#keepCaptured()
    this.#keepConstants()
    this.#keepCountedNumbers()
    if (options.ranges) this.#keepRanges(options.ranges)
  }

  /** Nodes that can compute in float16. */
  get convertible(): readonly Node[] {
    return this.#nodes.filter((node) => !this.reasons.has(node))
  }

  keep(node: Node, reason: string): void {
    if (!this.reasons.has(node) && touchesFloats(node)) this.reasons.set(node, reason)
  }

  #keepOperators({ keepFloat32 = [], convert = [] }: KeepOptions): void {
    const names = new Set(keepFloat32)
    const known = new Set(this.#nodes.flatMap((node) => [node.name, node.opType]))
    const unknown = keepFloat32.filter((name) => !known.has(name))
    if (unknown.length > 0) throw unknownNames(unknown)
    for (const node of this.#nodes) {
      if (names.has(node.name) || names.has(node.opType)) this.keep(node, 'asked for')
      else if (valuesOf(node).some(({ elementType }) => elementType === undefined))
        this.keep(node, 'a type is not known')
      else if (!hasFloat16(node)) this.keep(node, 'the operator has no float16 form')
      else if (overflowProne.has(node.opType) && !convert.includes(node.opType))
        this.keep(node, 'the operator may overflow')
    }
  }

  /** What backends fuse into integer kernels: between DequantizeLinear and QuantizeLinear nothing may be cast. */
  #keepIntegerLayers(): void {
    const reason = 'it computes on integers'
    for (const node of this.#nodes) {
      if (!node.inputs.some((value) => value?.producer?.opType === 'DequantizeLinear')) continue
      this.keep(node, reason)
      const rectifier = fusedOutput(node)?.producer
      if (rectifier) this.keep(rectifier, reason)
    }
  }

  /**
   * Bodies of control flow take float32 from around them. ONNX Runtime gives the casts that it inserts behind a float16
   * value the same name in every body that reads it, and cannot load the result.
   */
  #keepCaptured(): void {
    const visit = (graph: Graph) => {
      const own = new Set(graph.nodes)
      for (const body of graph.nodes.flatMap((node) => node.subgraphs)) {
        for (const value of [...walkNodes(body)].flatMap((node) => node.inputs)) {
          if (value?.producer && own.has(value.producer)) this.keep(value.producer, 'a body of control flow reads it')
        }
        visit(body)
      }
    }
    visit(this.#graph)
  }

  #keepConstants(): void {
    for (const node of this.#nodes) {
      for (const [index, value] of node.inputs.entries()) {
        if (!value || !isFloat32(value) || !value.initializer || staysFloat32(node, index)) continue
        const problem = this.#constants.problemOf(value)
        if (!problem) continue
        this.keep(
          node,
          `its constant '${value.name}' ${problem === 'overflow' ? 'exceeds 65504' : 'is too small for float16'}`,
        )
        // What computes with such numbers gives such numbers: -3.4e38, with which attention is masked.
        if (problem === 'overflow') {
          for (const reader of node.outputs.flatMap(readersOf))
            this.keep(reader, `it reads what '${node.name}' computes with '${value.name}'`)
        }
      }
    }
  }

  /** Float arithmetic on integers alone (sizes, positions, masks): float16 cannot tell 2049 from 2048. */
  #keepCountedNumbers(): void {
    const counted = new Set<Value>()
    const visit = (graph: Graph) => {
      for (const node of topologicalOrder(graph)) {
        for (const subgraph of node.subgraphs) visit(subgraph)
        const inputs = node.inputs.filter((value) => value !== undefined && isFloat32(value))
        const fromIntegers = node.opType === 'Cast' && inputs.length === 0
        const continues =
          inputs.some((value) => counted.has(value!)) &&
          inputs.every((value) => counted.has(value!) || value!.initializer)
        if (isHeavy(node) || !(fromIntegers || continues)) continue
        this.keep(node, 'it computes with whole numbers')
        for (const output of node.outputs) if (output) counted.add(output)
      }
    }
    visit(this.#graph)
  }

  #keepRanges(ranges: MeasuredRanges): void {
    for (const node of this.#nodes) {
      for (const value of valuesOf(node)) {
        const range = ranges.get(value.name)
        if (!range) continue
        const most = Math.max(-range.min, range.max)
        if (most > LARGEST_FLOAT16 / RANGE_MARGIN)
          this.keep(node, `'${value.name}' was measured up to ${most.toPrecision(3)}`)
      }
    }
  }
}

export const isFloat32 = ({ elementType }: Value) => elementType === 'float32'

export function valuesOf(node: Node): readonly Value[] {
  return [...node.inputs, ...node.outputs].filter((value) => value !== undefined)
}

const touchesFloats = (node: Node) => valuesOf(node).some(isFloat32)

export function readersOf(value: Value | undefined): readonly Node[] {
  return value?.uses.flatMap((use) => (use.kind === 'node' ? use.node : [])) ?? []
}

function unknownNames(names: readonly string[]): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected nodes and operators of the model in keepFloat32, got ${names.map((name) => `'${name}'`).join(', ')}.`,
    remedy: 'textFromGraph(graph) lists them; nodes without a name get one from their operator.',
    received: names,
  })
}
