import { type DType, type DTypeArray, dtypes, Tensor } from '@lowlat/core'
import { evaluateNode, type Graph, type Node, type Pass, topologicalOrder, type Value } from '@lowlat/onnx'
import { isOperator } from '../quantized.ts'
import { isOutput } from './quantization.ts'

/**
 * BatchNormalization behind a Conv with dequantized weights becomes part of their scales and of the bias, as exporters leave
 * it that cannot fold it into integers: the integers stay as they were trained.
 */
export const foldIntoScales: Pass = {
  name: 'fold-batch-normalization-into-scales',
  run(graph) {
    let changes = 0
    for (const node of topologicalOrder(graph)) if (fold(graph, node)) changes++
    return changes
  },
}

function fold(graph: Graph, normalization: Node): boolean {
  if (!isOperator(normalization, 'BatchNormalization') || normalization.int('training_mode', 0) !== 0) return false
  const [input] = normalization.inputs
  const output = normalization.outputs[0]!
  const conv = input?.producer
  // DequantizeLinear has an axis from opset 13 on.
  if (graph.opset < 13 || !isOperator(conv, 'Conv') || input!.uses.length !== 1 || isOutput(output)) return false
  if (normalization.outputs.slice(1).some((other) => other && other.uses.length > 0)) return false
  const weight = conv.inputs[1]?.producer
  if (!isOperator(weight, 'DequantizeLinear') || weight.int('block_size', 0) !== 0) return false
  const [integers, scales, zeroPoints] = weight.inputs
  const channels = integers?.initializer?.shape[0]
  const parameters = normalization.inputs.slice(1, 5).map((value) => floatsOf(value))
  const old = floatsOf(scales)
  const bias = conv.inputs[2] ? biasOf(conv.inputs[2]) : new Float32Array(channels ?? 0)
  const isUsable =
    channels !== undefined && old && bias?.length === channels && (old.length === 1 || isAlongChannels(weight))
  if (!isUsable || !parameters.every((list) => list?.length === channels)) return false
  const [gamma, beta, mean, variance] = parameters as [Float32Array, Float32Array, Float32Array, Float32Array]
  const epsilon = normalization.float('epsilon', 1e-5)
  const gains = variance.map((value, channel) => gamma[channel]! / Math.sqrt(value + epsilon))
  const add = (name: string, tensor: Tensor) => graph.addInitializer(graph.uniqueName(name), tensor)
  const nextScales = gains.map((gain, channel) => gain * old[old.length === 1 ? 0 : channel]!)
  const inputs = [integers, add(`${scales!.name}.folded`, new Tensor('float32', [channels], nextScales))]
  if (zeroPoints) inputs.push(add(`${zeroPoints.name}.folded`, repeated(zeroPoints.initializer!.tensor, channels)))
  const spec = { opType: 'DequantizeLinear', inputs, outputs: [conv.inputs[1]!.name], attributes: { axis: 0 } }
  const [folded] = graph.addNode(spec, { before: conv }).outputs
  folded!.elementType = 'float32'
  folded!.shape = integers!.initializer!.shape
  const shifts = bias.map((value, channel) => (value - mean[channel]!) * gains[channel]! + beta[channel]!)
  conv.setInput(1, folded)
  conv.setInput(2, add(`${conv.name}.bias`, new Tensor('float32', [channels], shifts)))
  graph.replaceUses(output, input!)
  graph.removeNode(normalization)
  return true
}

function isAlongChannels(dequantize: Node): boolean {
  const axis = dequantize.int('axis', 1)
  return axis === 0 || axis === -dequantize.inputs[0]!.initializer!.shape.length
}

function floatsOf(value: Value | undefined): Float32Array | undefined {
  const constant = value?.initializer
  const isReadable = constant?.elementType === 'float32' && !constant.isExternal && constant.shape.length <= 1
  return isReadable ? constant.tensor.toFloat32() : undefined
}

/** A bias as it is, or dequantized. */
function biasOf(value: Value): Float32Array | undefined {
  const node = value.producer
  if (!isOperator(node, 'DequantizeLinear')) return floatsOf(value)
  if (!node.inputs.every((input) => !input || (input.initializer && !input.initializer.isExternal))) return undefined
  const [result] =
    evaluateNode(
      node,
      node.inputs.map((input) => input?.initializer?.tensor),
    ) ?? []
  return result?.toFloat32()
}

function repeated<D extends DType>(tensor: Tensor<D>, count: number): Tensor<D> {
  if (tensor.size === count && tensor.shape.length === 1) return tensor
  const data = new dtypes[tensor.dtype].array(count) as DTypeArray<D>
  return new Tensor(tensor.dtype, [count], data.fill(tensor.data[0] as never) as DTypeArray<D>)
}
