import { type DType, dtypes, Tensor } from '@lowlat/core'
import type { Graph, Node } from '@lowlat/onnx'
import { rectifierBounds } from '../graph/rectifier-bounds.ts'
import { levelsOf, roundTo } from '../weights/quantize-weight.ts'
import { isQuantize, type LinearQuantization, quantizationOf } from './linear-quantization.ts'

/**
 * Moves a Relu or Clip behind the QuantizeLinear that alone reads it, where it clips integers: rounding keeps the order
 * of numbers, so that the result is the same, and what lies before computes on integers throughout. Where the
 * integers' own range ends where the rectifier does, saturation does its work and it goes.
 */
export function placeRectifiers(graph: Graph): void {
  for (const quantize of graph.nodes.filter(isQuantize)) placeRectifier(graph, quantize)
}

function placeRectifier(graph: Graph, quantize: Node): void {
  const rectified = quantize.inputs[0]!
  const rectifier = rectified.producer
  const parameters = quantizationOf(quantize)
  const bounds = rectifier && rectifierBounds(rectifier)
  if (!bounds || rectified.uses.length > 1 || !parameters) return
  const { dtype, axis, scales, zeroPoints } = parameters
  if (axis !== undefined || (dtype !== 'int8' && dtype !== 'uint8')) return
  const levels = levelsOf({ dtype, symmetric: false }, zeroPoints[0]!)
  const [low, high] = bounds.map((bound) => roundTo(bound, scales[0]!, levels)) as [number, number]
  quantize.setInput(0, rectifier.inputs[0])
  graph.removeNode(rectifier)
  if (low !== levels.lowest || high !== levels.highest) clipIntegers(graph, quantize, parameters, [low, high])
}

function clipIntegers(
  graph: Graph,
  quantize: Node,
  { dtype }: LinearQuantization,
  bounds: readonly [number, number],
): void {
  const integers = quantize.outputs[0]!
  const inputs = bounds.map((bound) => graph.addInitializer(graph.uniqueName('bound'), scalar(dtype, bound)))
  const clip = graph.addNode({ opType: 'Clip', inputs: [integers, ...inputs] }, { after: quantize })
  const clipped = clip.outputs[0]!
  clipped.elementType = dtype
  clipped.shape = integers.shape
  graph.replaceUses(integers, clipped, clip)
}

function scalar(dtype: DType, value: number): Tensor {
  const data = new dtypes[dtype].array(1)
  data[0] = value
  return new Tensor(dtype, [], data)
}
