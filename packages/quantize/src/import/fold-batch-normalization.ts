import { Tensor } from '@lowlat/core'
import type { Graph, Node } from '@lowlat/onnx'
import { channelLayout } from '../weights/channels.ts'
import { type Layer, layersOf } from './layer.ts'
import { quantizationOf, readersOf, setQuantization } from './linear-quantization.ts'

/**
 * BatchNormalization behind a Conv with symmetric integer weights goes into their scales, per channel, and the bias: no
 * weight is rounded anew. Models from quantization-aware training are exported so, and no backend computes the pair on
 * integers.
 * @returns the number of nodes that went.
 */
export function foldBatchNormalization(graph: Graph): number {
  return layersOf(graph).filter((layer) => fold(graph, layer)).length
}

function fold(graph: Graph, { node, weight, bias }: Layer): boolean {
  const [normalization, ...others] = readersOf(node.outputs[0]!) ?? []
  if (node.opType !== 'Conv' || normalization?.opType !== 'BatchNormalization' || others.length > 0) return false
  const known = weight && quantizationOf(weight)
  const integers = weight?.inputs[0]
  if (!integers?.initializer || !weight || known?.dtype !== 'int8' || weight.outputs[0]?.uses.length !== 1) return false
  if (known.zeroPoints.some((zero) => zero !== 0) || (known.axis ?? 0) !== 0) return false
  const affine = affineOf(normalization)
  if (!affine || (bias && bias.initializer?.elementType !== 'float32')) return false

  const { shape, tensor } = integers.initializer
  const { channels, inner } = channelLayout(shape, 0)
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
  graph.replaceUses(normalization.outputs[0]!, node.outputs[0]!, normalization)
  graph.removeNode(normalization)
  return true
}

/** y = factor * x + offset per channel, with the mean and variance of training; undefined where they are not constant. */
function affineOf(node: Node): { readonly factors: Float64Array; readonly offsets: Float64Array } | undefined {
  const constants = node.inputs.slice(1, 5).map((value) => value?.initializer)
  if (!constants.every((constant) => constant?.elementType === 'float32') || constants.length < 4) return undefined
  if (node.int('training_mode', 0) !== 0) return undefined
  const [scale, offset, mean, variance] = constants.map((constant) => constant!.tensor.toFloat32())
  const epsilon = node.float('epsilon', 1e-5)
  const factors = Float64Array.from(scale!, (value, i) => value / Math.sqrt(variance![i]! + epsilon))
  return { factors, offsets: factors.map((factor, i) => offset![i]! - factor * mean![i]!) }
}
