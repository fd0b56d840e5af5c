import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { arrayLike, type LinearLayer, linearLayerOf, perChannel, setParameters } from './linear-layer.ts'
import { nodePass } from './pass.ts'
import { canReplace, isOperator, replaceValue, soleReader } from './rewire.ts'

/** What batch normalisation does in inference, per channel: y = x * scale + shift. */
interface Affine {
  readonly scale: ArrayLike<number>
  readonly shift: ArrayLike<number>
}

/**
 * Batch normalisation becomes part of the weights of the layer before it, or of the layer behind it where that does not
 * pad: padding adds zeros that were not normalised.
 */
export const foldBatchNormalization = nodePass('fold-batch-normalization', (node, graph) => {
  if (!isOperator(node, graph, 'BatchNormalization')) return false
  const affine = affineOf(node)
  return affine !== undefined && (foldIntoProducer(node, graph, affine) || foldIntoReader(node, graph, affine))
})

/** scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale. Undefined while training. */
function affineOf(node: Node): Affine | undefined {
  if (node.int('training_mode', 0) !== 0 || node.int('spatial', 1) !== 1) return undefined
  if (node.outputs.slice(1).some((output) => output)) return undefined
  const channels = node.inputs[1]?.initializer?.shape[0]
  if (channels === undefined) return undefined
  const parameters = node.inputs.slice(1, 5).map((value) => perChannel(value, channels, 1, 0))
  const [gamma, beta, mean, variance] = parameters
  if (!gamma || !beta || !mean || !variance) return undefined
  const epsilon = node.float('epsilon', 1e-5)
  const scale = Float64Array.from(gamma, (value, channel) => value / Math.sqrt(variance[channel]! + epsilon))
  return { scale, shift: scale.map((value, channel) => beta[channel]! - mean[channel]! * value) }
}

function foldIntoProducer(node: Node, graph: Graph, { scale, shift }: Affine): boolean {
  const [input] = node.inputs
  const [output] = node.outputs
  const layer = linearLayerOf(input?.producer, graph)
  if (!layer || !output || layer.outChannels !== scale.length || soleReader(input!) !== node) return false
  if (!graph.nodes.includes(layer.node) || !canReplace(graph, output, input!)) return false
  const bias = layer.bias.map((value, channel) => value * scale[channel]! + shift[channel]!)
  setParameters(
    graph,
    layer,
    bias,
    scaled(layer, (index) => scale[layer.outChannelAt(index)]!),
  )
  replaceValue(graph, output, input!)
  graph.removeNode(node)
  return true
}

function foldIntoReader(node: Node, graph: Graph, { scale, shift }: Affine): boolean {
  const [input] = node.inputs
  const [output] = node.outputs
  const layer = output && linearLayerOf(soleReader(output), graph)
  if (!input || !layer || layer.inChannels !== scale.length || layer.node.inputs[0] !== output) return false
  if (!graph.nodes.includes(layer.node) || !seesEveryInputOnce(layer.node)) return false
  const sums = new Float64Array(layer.outChannels)
  for (const [index, weight] of layer.weight.data.entries()) {
    sums[layer.outChannelAt(index)]! += weight * shift[layer.inChannelAt(index)]!
  }
  const alpha = layer.node.opType === 'Gemm' ? layer.node.float('alpha', 1) : 1
  const bias = layer.bias.map((value, channel) => value + alpha * sums[channel]!)
  setParameters(
    graph,
    layer,
    bias,
    scaled(layer, (index) => scale[layer.inChannelAt(index)]!),
  )
  layer.node.setInput(0, input)
  graph.removeNode(node)
  return true
}

/** Whether each output is a sum over the whole weight, so that the input's shift becomes a constant of the output. */
function seesEveryInputOnce(node: Node): boolean {
  if (node.opType === 'Gemm') return node.int('transA', 0) === 0
  const padding = node.string('auto_pad', 'NOTSET')
  if (node.opType !== 'Conv' || (padding !== 'NOTSET' && padding !== 'VALID')) return false
  return padding === 'VALID' || node.ints('pads', []).every((pad) => pad === 0)
}

function scaled({ weight }: LinearLayer, factorAt: (index: number) => number): Float32Array | Float64Array {
  const result = arrayLike(weight, weight.size)
  for (const [index, value] of weight.data.entries()) result[index] = value * factorAt(index)
  return result
}
