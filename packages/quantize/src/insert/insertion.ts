import { InputError } from '@lowlat/core'
import type { Graph, Node, Value } from '@lowlat/onnx'
import type { QuantizationParameters, WeightParameters } from '../sites.ts'
import { QuantizationConstants } from './constants.ts'

/** A graph that Q/DQ nodes are being inserted into. */
export class Insertion {
  readonly graph: Graph
  readonly parameters: QuantizationParameters
  readonly constants: QuantizationConstants
  /** Dequantized weights: layers that share parameters share the node. */
  readonly weights = new Map<WeightParameters, Value>()
  readonly #nodes: ReadonlyMap<string, Node>
  readonly #values: ReadonlyMap<string, Value>

  constructor(graph: Graph, parameters: QuantizationParameters) {
    this.graph = graph
    this.parameters = parameters
    this.constants = new QuantizationConstants(this.graph)
    this.#nodes = new Map(this.graph.nodes.map((node) => [node.name, node]))
    this.#values = new Map([...this.graph.values()].map((value) => [value.name, value]))
  }

  /** @throws InputError INVALID_ARGUMENT where the graph has no such node; likewise the others. */
  node(name: string): Node {
    return this.#nodes.get(name) ?? missing(`the node '${name}' in the graph`)
  }

  value(name: string): Value {
    return this.#values.get(name) ?? missing(`the value '${name}' in the graph`)
  }

  activation(value: string) {
    return this.parameters.activations.get(value) ?? missing(`parameters of the activation '${value}'`)
  }

  weight(node: string) {
    return this.parameters.weights.get(node) ?? missing(`parameters of the weight of '${node}'`)
  }
}

function missing(what: string): never {
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected ${what}, got none.`,
    remedy: 'Pass the sites of this very graph, and parameters for each of them.',
  })
}
