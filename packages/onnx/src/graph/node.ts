import { invalidModel } from '../codec/errors.ts'
import type { NodeProto } from '../codec/messages.ts'
import type { Attribute, AttributeValue } from './attribute.ts'
import type { Graph } from './graph.ts'
import type { Initializer } from './initializer.ts'
import { addUse, removeUse, setProducer, type Value } from './value.ts'

type ValueOf<T extends AttributeValue['type']> = Extract<AttributeValue, { type: T }>['value']

interface NodeFields {
  readonly opType: string
  readonly domain: string
  readonly name: string
  readonly inputs: readonly (Value | undefined)[]
  readonly outputs: readonly (Value | undefined)[]
  readonly attributes: Iterable<readonly [string, Attribute]>
  /** The message that it came from, for what the graph has no fields for. */
  readonly source?: NodeProto
}

/** One operator of a graph. Optional inputs and outputs that are left out are undefined. */
export class Node {
  opType: string
  /** '' for ONNX's own operators. */
  domain: string
  /** For people: may be empty, and need not be unique. */
  name: string
  readonly source: NodeProto
  readonly #inputs: (Value | undefined)[]
  readonly #outputs: readonly (Value | undefined)[]
  readonly #attributes: Map<string, Attribute>

  constructor(fields: NodeFields) {
    this.opType = fields.opType
    this.domain = fields.domain
    this.name = fields.name
    this.source = fields.source ?? {}
    this.#outputs = [...fields.outputs]
    this.#attributes = new Map(fields.attributes)
    this.#inputs = []
    this.setInputs(fields.inputs)
    for (const output of this.#outputs) if (output) setProducer(output, this)
  }

  get inputs(): readonly (Value | undefined)[] {
    return this.#inputs
  }

  get outputs(): readonly (Value | undefined)[] {
    return this.#outputs
  }

  get attributes(): ReadonlyMap<string, Attribute> {
    return this.#attributes
  }

  setInput(index: number, value: Value | undefined): void {
    const old = this.#inputs[index]
    if (old) removeUse(old, { kind: 'node', node: this, index })
    while (this.#inputs.length < index) this.#inputs.push(undefined)
    this.#inputs[index] = value
    if (value) addUse(value, { kind: 'node', node: this, index })
  }

  /** Replaces all inputs, their number included. */
  setInputs(values: readonly (Value | undefined)[]): void {
    for (const index of this.#inputs.keys()) this.setInput(index, undefined)
    this.#inputs.length = 0
    for (const [index, value] of values.entries()) this.setInput(index, value)
  }

  /** Sets or replaces an attribute; a subgraph that it replaces is released. */
  setAttribute(name: string, attribute: AttributeValue): void {
    this.removeAttribute(name)
    this.#attributes.set(name, attribute)
  }

  removeAttribute(name: string): void {
    const attribute = this.#attributes.get(name)
    if (attribute) for (const graph of graphsOf(attribute)) release(graph)
    this.#attributes.delete(name)
  }

  /** Subgraphs of control flow (If, Loop, Scan), which may read values of the graph around the node. */
  get subgraphs(): readonly Graph[] {
    return [...this.#attributes.values()].flatMap(graphsOf)
  }

  /** Beyond 2^53 rounded, which keeps INT64_MAX ("to the end") larger than any size. @throws as {@link tensor}. */
  int(name: string, fallback?: number): number {
    return Number(this.#attribute(name, 'int', fallback === undefined ? undefined : BigInt(fallback)))
  }

  /** As {@link int}. */
  ints(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#attribute(name, 'ints', fallback?.map(BigInt)).map(Number)
  }

  float(name: string, fallback?: number): number {
    return this.#attribute(name, 'float', fallback)
  }

  floats(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#attribute(name, 'floats', fallback)
  }

  string(name: string, fallback?: string): string {
    return this.#attribute(name, 'string', fallback)
  }

  strings(name: string, fallback?: readonly string[]): readonly string[] {
    return this.#attribute(name, 'strings', fallback)
  }

  /** @throws ModelError MODEL_INVALID when it is absent without a fallback, or of another type. */
  tensor(name: string): Initializer {
    return this.#attribute(name, 'tensor')
  }

  graph(name: string): Graph {
    return this.#attribute(name, 'graph')
  }

  #attribute<T extends AttributeValue['type']>(name: string, type: T, fallback?: ValueOf<T>): ValueOf<T> {
    const attribute = this.#attributes.get(name)
    if (!attribute && fallback !== undefined) return fallback
    if (attribute?.type !== type) {
      throw invalidModel(
        `Expected the attribute '${name}' (${type}) of the ${this.opType} node '${this.name}', got ${attribute?.type ?? 'none'}.`,
        { opType: this.opType, node: this.name, attribute: name },
      )
    }
    return attribute.value as ValueOf<T>
  }
}

function graphsOf(attribute: Attribute): readonly Graph[] {
  if (attribute.type === 'graph') return [attribute.value]
  return attribute.type === 'graphs' ? attribute.value : []
}

function release(graph: Graph): void {
  for (const node of graph.nodes) disconnect(node)
  for (const [index, value] of graph.outputs.entries()) removeUse(value, { kind: 'output', graph, index })
}

/** For graphs: a node that is removed must not stay among the uses of its inputs. */
export function disconnect(node: Node): void {
  node.setInputs([])
  for (const output of node.outputs) if (output) setProducer(output, undefined)
  for (const graph of node.subgraphs) release(graph)
}
