import { type Shape, Tensor } from '@lowlat/core'
import type { Graph, Node, Value } from '@lowlat/onnx'
import { channelLayout } from '../weights/channels.ts'
import { type Layer, layersOf } from './layer.ts'
import { quantizationOf, readersOf, setQuantization } from './linear-quantization.ts'

/** y = factor * x + offset per channel. */
interface Affine {
  readonly factors: Float64Array
  readonly offsets: Float64Array
}

/**
 * BatchNormalization behind a Conv with symmetric integer weights goes into their scales, per channel, and the bias: no
 * weight is rounded anew. Models from quantization-aware training are exported so, and no backend computes the pair on
 * integers. PyTorch trains with weights that are scaled by the normalization already, and divides by that in between.
 * @returns the number of layers that changed.
 */
export function foldBatchNormalization(graph: Graph): number {
  return layersOf(graph).filter((layer) => fold(graph, layer)).length
}

function fold(graph: Graph, { node, weight, bias }: Layer): boolean {
  const known = weight && quantizationOf(weight)
  const integers = weight?.inputs[0]
  if (node.opType !== 'Conv' || !integers?.initializer || !weight || known?.dtype !== 'int8') return false
  if (weight.outputs[0]?.uses.length !== 1 || (bias && bias.initializer?.elementType !== 'float32')) return false
  if (known.zeroPoints.some((zero) => zero !== 0) || (known.axis ?? 0) !== 0) return false
  const { shape, tensor } = integers.initializer
  const { channels, inner } = channelLayout(shape, 0)
  const { affine, nodes } = affineBehind(node, shape)
  const last = nodes.at(-1)
  if (!last) return false

  const signed = Int8Array.from(tensor.data as Int8Array)
  const scales = new Float32Array(channels)
  for (const [channel, factor] of affine.factors.entries()) {
    const row = signed.subarray(channel * inner, (channel + 1) * inner)
    const scale = known.scales[known.axis === undefined ? 0 : channel]!
    if (factor < 0 && row.includes(-128)) return false // has no opposite
    const sign = Math.sign(factor)
    for (let i = 0; i < row.length; i++) row[i]! *= sign
    scales[channel] = factor === 0 ? scale : scale * Math.abs(factor)
  }
  const old = bias?.initializer?.tensor.toFloat32() ?? new Float32Array(channels)
  const shifted = old.map((value, channel) => value * affine.factors[channel]! + affine.offsets[channel]!)
  const constant = (name: string, value: Tensor) => graph.addInitializer(graph.uniqueName(name), value)
  weight.setInput(0, constant(integers.name, new Tensor('int8', shape, signed)))
  setQuantization(graph, weight, { dtype: 'int8', axis: 0, scales, zeroPoints: new Int32Array(channels) })
  node.setInput(2, constant(`${node.name}.bias`, new Tensor('float32', [channels], shifted)))
  graph.replaceUses(last.outputs[0]!, node.outputs[0]!, nodes[0])
  for (const each of nodes.toReversed()) graph.removeNode(each)
  return true
}

/** What the nodes compute together that follow one another behind a layer with a weight of this shape, [M, C, ...kernel]. */
function affineBehind(layer: Node, shape: Shape): { readonly affine: Affine; readonly nodes: readonly Node[] } {
  const nodes: Node[] = []
  let affine: Affine = { factors: new Float64Array(shape[0]!).fill(1), offsets: new Float64Array(shape[0]!) }
  for (let value = layer.outputs[0]!; ; value = nodes.at(-1)!.outputs[0]!) {
    const [next, ...others] = readersOf(value) ?? []
    const own = next && others.length === 0 ? affineOf(next, value, shape) : undefined
    if (!own) return { affine, nodes }
    const { factors, offsets } = own
    affine = {
      factors: affine.factors.map((factor, i) => factor * factors[i]!),
      offsets: affine.offsets.map((offset, i) => offset * factors[i]! + offsets[i]!),
    }
    nodes.push(next!)
  }
}

/** Undefined where it is none, or its parameters are not constant. */
function affineOf(node: Node, input: Value, shape: Shape): Affine | undefined {
  if (node.opType === 'BatchNormalization') return normalizationOf(node)
  if (node.opType !== 'Div' && node.opType !== 'Mul') return undefined
  const other = node.inputs.indexOf(input) === 0 ? 1 : 0
  const constants = node.opType === 'Div' && other === 0 ? undefined : perChannel(node.inputs[other]!, shape)
  if (!constants || (node.opType === 'Div' && constants.includes(0))) return undefined
  const factors = Float64Array.from(constants, (value) => (node.opType === 'Div' ? 1 / value : value))
  return { factors, offsets: new Float64Array(factors.length) }
}

/** A constant that is broadcast along the channels of [N, M, ...]; undefined for others. */
function perChannel({ initializer }: Value, [channels = 0, ...rest]: Shape): Float32Array | undefined {
  if (initializer?.elementType !== 'float32') return undefined
  const rank = rest.length + 1
  const dims = [...new Array<number>(Math.max(0, rank - initializer.shape.length)).fill(1), ...initializer.shape]
  const fits = dims.length === rank && dims.every((size, axis) => size === 1 || (axis === 1 && size === channels))
  if (!fits) return undefined
  const values = initializer.tensor.toFloat32()
  return values.length === channels ? values : new Float32Array(channels).fill(values[0]!)
}

/** With the mean and variance of training. */
function normalizationOf(node: Node): Affine | undefined {
  const constants = node.inputs.slice(1, 5).map((value) => value?.initializer)
  if (!constants.every((constant) => constant?.elementType === 'float32') || constants.length < 4) return undefined
  if (node.int('training_mode', 0) !== 0) return undefined
  const [scale, offset, mean, variance] = constants.map((constant) => constant!.tensor.toFloat32())
  const epsilon = node.float('epsilon', 1e-5)
  const factors = Float64Array.from(scale!, (value, i) => value / Math.sqrt(variance![i]! + epsilon))
  return { factors, offsets: factors.map((factor, i) => offset![i]! - factor * mean![i]!) }
}
