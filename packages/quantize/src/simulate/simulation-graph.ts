import { Tensor } from '@lowlat/core'
import { cloneGraph, type Graph, type Node, type Value } from '@lowlat/onnx'
import type { QuantizedType, Sites, WeightParameters } from '../sites.ts'
import { dequantizedWeight } from './dequantized-weight.ts'

/** Names of the inputs that a simulation adds to those of the model; no model may use them. */
export const controls = {
  /** float32 [activation sites] */
  scales: 'lowlat.scales',
  /** The recipe's type [activation sites] */
  zeroPoints: 'lowlat.zeroPoints',
  /** bool [activation sites] */
  activationsEnabled: 'lowlat.activationsEnabled',
  /** bool [weight sites], where weights can be switched */
  weightsEnabled: 'lowlat.weightsEnabled',
} as const

interface SimulationGraphOptions {
  readonly activationType: QuantizedType
  /** Weights to simulate, by node; the others stay float. */
  readonly weights: ReadonlyMap<string, WeightParameters>
  /** Let each run say which of the weights are quantized; slower, since none of them is constant then. */
  readonly switchableWeights: boolean
  /** Biases that replace those of the model, by node; also for nodes without one. */
  readonly biases: ReadonlyMap<string, Float32Array>
}

/**
 * The float model with quantization simulated in float: behind every activation site stands
 * `enabled ? dequantize(quantize(x)) : x` with scale, zero point and `enabled` as inputs, so that one compiled model
 * measures any choice of parameters and any subset of sites.
 */
export function simulationGraph(source: Graph, sites: Sites, options: SimulationGraphOptions): Graph {
  const graph = cloneGraph(source)
  const find = finderOf(graph)
  if (sites.activations.length > 0) addActivations(graph, find, sites, options.activationType)
  addWeights(graph, find, sites, options)
  for (const [name, bias] of options.biases) {
    const tensor = new Tensor('float32', [bias.length], bias)
    find.node(name).setInput(2, graph.addInitializer(graph.uniqueName(`${name}.bias`), tensor))
  }
  return graph
}

interface Finder {
  node(name: string): Node
  value(name: string): Value
}

function finderOf(graph: Graph): Finder {
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]))
  const values = new Map([...graph.values()].map((value) => [value.name, value]))
  return { node: (name) => nodes.get(name)!, value: (name) => values.get(name)! }
}

/** The elements of a vector as scalars. */
function scalarsOf(graph: Graph, vector: Value, count: number): Value[] {
  const sizes = graph.addInitializer(
    graph.uniqueName('lowlat.sizes'),
    new Tensor('int64', [count], new BigInt64Array(count).fill(1n)),
  )
  const shape = graph.addInitializer(graph.uniqueName('lowlat.scalar'), new Tensor('int64', [0], new BigInt64Array(0)))
  const split = graph.addNode({ opType: 'Split', inputs: [vector, sizes], outputs: count })
  return split.outputs.map((part) => one(graph.addNode({ opType: 'Reshape', inputs: [part, shape] })))
}

const one = (node: Node): Value => node.outputs[0]!

function addActivations(graph: Graph, find: Finder, { activations }: Sites, type: QuantizedType): void {
  const count = activations.length
  const scalars = (name: string, dtype: 'float32' | 'bool' | QuantizedType) =>
    scalarsOf(graph, graph.addInput(name, dtype, [count]), count)
  const scales = scalars(controls.scales, 'float32')
  const zeroPoints = scalars(controls.zeroPoints, type)
  const enabled = scalars(controls.activationsEnabled, 'bool')
  for (const [index, site] of activations.entries()) {
    const value = find.value(site.value)
    const parameters = [scales[index], zeroPoints[index]]
    const quantized = one(graph.addNode({ opType: 'QuantizeLinear', inputs: [value, ...parameters] }))
    const real = one(graph.addNode({ opType: 'DequantizeLinear', inputs: [quantized, ...parameters] }))
    const chosen = one(graph.addNode({ opType: 'Where', inputs: [enabled[index], real, value] }))
    for (const reader of site.readers) find.node(reader.node).setInput(reader.index, chosen)
  }
}

function addWeights(graph: Graph, find: Finder, { weights }: Sites, options: SimulationGraphOptions): void {
  const sites = weights.filter((site) => options.weights.has(site.node))
  if (sites.length === 0) return
  const enabled = options.switchableWeights
    ? scalarsOf(graph, graph.addInput(controls.weightsEnabled, 'bool', [sites.length]), sites.length)
    : []
  for (const [index, site] of sites.entries()) {
    const node = find.node(site.node)
    const float = node.inputs[site.index]!
    const tensor = dequantizedWeight(options.weights.get(site.node)!, float.initializer!.shape)
    const simulated = graph.addInitializer(graph.uniqueName(`${float.name}.simulated`), tensor)
    const flag = enabled[index]
    const value = flag ? one(graph.addNode({ opType: 'Where', inputs: [flag, simulated, float] })) : simulated
    node.setInput(site.index, value)
    if (float.uses.length === 0) graph.removeValue(float)
  }
}
