import { sizeOf, Tensor } from '@lowlat/core'
import { type Graph, graphFromModel, modelFromGraph, type Node, type Value } from '@lowlat/onnx'
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
  /** float32 [sum of the channels of all corrected nodes] */
  biasDeltas: 'lowlat.biasDeltas',
} as const

/** The output with the mean per channel of what a node computes. */
export const meanOutput = (node: string) => `lowlat.mean.${node}`

/** A node whose bias can be shifted at run time, and whose output is averaged per channel. */
export interface CorrectedNode {
  readonly node: string
  readonly channels: number
}

export interface SimulationParts {
  readonly graph: Graph
  readonly corrected: readonly CorrectedNode[]
}

export interface SimulationGraphOptions {
  readonly activationType: QuantizedType
  /** Weights to simulate, by node; the others stay float. */
  readonly weights: ReadonlyMap<string, WeightParameters>
  /** Let each run say which of the weights are quantized; slower, since none of them is constant then. */
  readonly switchableWeights: boolean
  /** Add inputs that shift biases, and outputs with means per channel. */
  readonly biases: boolean
}

/**
 * The float model with quantization simulated in float: behind every activation site stands
 * `enabled ? dequantize(quantize(x)) : x` with scale, zero point and `enabled` as inputs, so that one compiled model
 * measures any choice of parameters and any subset of sites.
 */
export function simulationGraph(source: Graph, sites: Sites, options: SimulationGraphOptions): SimulationParts {
  const graph = graphFromModel(modelFromGraph(source))
  const find = finderOf(graph)
  if (sites.activations.length > 0) addActivations(graph, find, sites, options.activationType)
  addWeights(graph, find, sites, options)
  return { graph, corrected: options.biases ? addBiases(graph, find, sites) : [] }
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
  const parts = pieces(graph, vector, new Array<number>(count).fill(1))
  const shape = graph.addInitializer(graph.uniqueName('lowlat.scalar'), new Tensor('int64', [0], new BigInt64Array(0)))
  return parts.map((part) => one(graph.addNode({ opType: 'Reshape', inputs: [part, shape] })))
}

function pieces(graph: Graph, vector: Value, sizes: readonly number[]): readonly Value[] {
  const split = graph.addInitializer(
    graph.uniqueName('lowlat.sizes'),
    new Tensor('int64', [sizes.length], BigInt64Array.from(sizes, BigInt)),
  )
  const node = graph.addNode({ opType: 'Split', inputs: [vector, split], outputs: sizes.length })
  return node.outputs.map((value) => value!)
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

/** Conv, ConvTranspose and Gemm whose bias is a vector with one element per output channel, or absent. */
function addBiases(graph: Graph, find: Finder, { weights }: Sites): CorrectedNode[] {
  const corrected = weights.flatMap((site): CorrectedNode[] => {
    const channels = outputChannels(find.node(site.node), site.index)
    return channels === undefined ? [] : [{ node: site.node, channels }]
  })
  if (corrected.length === 0) return []
  const sizes = corrected.map(({ channels }) => channels)
  const deltas = pieces(
    graph,
    graph.addInput(controls.biasDeltas, 'float32', [sizes.reduce((a, b) => a + b, 0)]),
    sizes,
  )
  for (const [index, { node: name }] of corrected.entries()) {
    const node = find.node(name)
    const bias = node.inputs[2]
    const delta = deltas[index]!
    node.setInput(2, bias ? one(graph.addNode({ opType: 'Add', inputs: [bias, delta] })) : delta)
    addMean(graph, node)
  }
  return corrected
}

function addMean(graph: Graph, node: Node): void {
  const output = one(node)
  const rank = node.opType === 'Gemm' ? 2 : node.inputs[1]!.shape!.length
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1)
  const asInput = graph.opset >= 18
  const inputs = asInput
    ? [
        output,
        graph.addInitializer(
          graph.uniqueName('lowlat.axes'),
          new Tensor('int64', [axes.length], BigInt64Array.from(axes, BigInt)),
        ),
      ]
    : [output]
  const mean = graph.addNode({
    opType: 'ReduceMean',
    inputs,
    outputs: [meanOutput(node.name)],
    attributes: asInput ? { keepdims: 0 } : { keepdims: 0, axes },
  })
  graph.addOutput(one(mean), { elementType: 'float32', shape: [undefined] })
}

/** How many biases the node has or could have; undefined where it cannot be given a vector. */
function outputChannels(node: Node, weightIndex: number): number | undefined {
  const weight = node.inputs[weightIndex]!
  if (weightIndex !== 1 || !weight.shape) return undefined
  const dims = weight.shape as readonly number[]
  const channels = channelsOf(node, dims)
  const bias = node.inputs[2]
  if (!bias) return channels
  const shape = bias.initializer?.shape
  return shape?.length === 1 && sizeOf(shape) === channels ? channels : undefined
}

function channelsOf(node: Node, weight: readonly number[]): number | undefined {
  switch (node.opType) {
    case 'Conv':
      return weight[0]
    case 'ConvTranspose':
      return weight[1]! * node.int('group', 1)
    case 'Gemm':
      if (node.float('alpha', 1) !== 1 || node.float('beta', 1) !== 1) return undefined
      return node.int('transB', 0) === 1 ? weight[0] : weight[1]
    default:
      return undefined
  }
}
