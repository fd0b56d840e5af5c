import type { ValueInfoProto } from '../codec/messages.ts'
import type { Graph } from './graph.ts'
import type { Initializer } from './initializer.ts'
import type { Node } from './node.ts'
import type { ElementType, PartialShape, ValueType } from './value-type.ts'

/** Where a value is read: as an input of a node (also of one inside a subgraph), or as an output of a graph. */
export type Use =
  | { readonly kind: 'node'; readonly node: Node; readonly index: number }
  | { readonly kind: 'output'; readonly graph: Graph; readonly index: number }

// What only nodes and graphs may change: both ends of a connection at once. The class below fills these in.
let setName: (value: Value, name: string) => void
let setProducer: (value: Value, node: Node | undefined) => void
let addUse: (value: Value, use: Use) => void
let removeUse: (value: Value, use: Use) => void

export { addUse, removeUse, setName, setProducer }

/**
 * A named tensor of a graph: an input, an initializer, or an output of one node. Values are objects, so that a
 * subgraph that reads one from the graph around it keeps reading it when names or producers change.
 */
export class Value {
  elementType: ElementType | undefined
  shape: PartialShape | undefined
  /** The constant that it holds, or its default where it is a graph input as well (IR versions before 4). */
  initializer: Initializer | undefined
  /** The declaration that it had in the file. */
  readonly info: ValueInfoProto | undefined
  #name: string
  #producer: Node | undefined
  readonly #uses: Use[] = []

  constructor(name: string, type?: ValueType, info?: ValueInfoProto) {
    this.#name = name
    this.elementType = type?.elementType
    this.shape = type?.shape
    this.info = info
  }

  /** Unique within the model; changed by `graph.rename`. */
  get name(): string {
    return this.#name
  }

  /** The node that computes it; undefined for inputs and initializers. */
  get producer(): Node | undefined {
    return this.#producer
  }

  /** Every place that reads it, graph outputs included; empty for a value that is dead. */
  get uses(): readonly Use[] {
    return this.#uses
  }

  static {
    setName = (value, name) => {
      value.#name = name
    }
    setProducer = (value, node) => {
      value.#producer = node
    }
    addUse = (value, use) => {
      value.#uses.push(use)
    }
    removeUse = (value, use) => {
      const at = value.#uses.findIndex((other) => sameUse(other, use))
      if (at >= 0) value.#uses.splice(at, 1)
    }
  }
}

function sameUse(a: Use, b: Use): boolean {
  if (a.index !== b.index) return false
  return a.kind === 'node' ? b.kind === 'node' && a.node === b.node : b.kind === 'output' && a.graph === b.graph
}
