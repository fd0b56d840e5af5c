import type { Graph, Node, Value } from '@lowlat/onnx'
import type { ActivationParameters } from '../sites.ts'
import { levelsOf, roundTo } from '../weights/quantize-weight.ts'

/**
 * Removes a Relu or Clip in front of a QuantizeLinear that alone reads it, where the integers end where the rectifier
 * does: saturation then gives the same integers for any input.
 */
export function dropRectifier(graph: Graph, quantize: Node, parameters: ActivationParameters): void {
  const rectified = quantize.inputs[0]!
  const rectifier = rectified.producer
  const bounds = rectifier && boundsOf(rectifier)
  if (!bounds || rectified.uses.length > 1) return
  const levels = levelsOf({ dtype: parameters.dtype, symmetric: false }, parameters.zeroPoint)
  const [low, high] = bounds.map((bound) => roundTo(bound, parameters.scale, levels))
  if (low !== levels.lowest || high !== levels.highest) return
  quantize.setInput(0, rectifier.inputs[0])
  graph.removeNode(rectifier)
}

/** Lowest and highest result; undefined for other operators and bounds that are computed. */
function boundsOf({ opType, domain, inputs }: Node): readonly [number, number] | undefined {
  if (domain !== '') return undefined
  if (opType === 'Relu') return [0, Number.POSITIVE_INFINITY]
  if (opType !== 'Clip') return undefined
  const low = boundOf(inputs[1], Number.NEGATIVE_INFINITY)
  const high = boundOf(inputs[2], Number.POSITIVE_INFINITY)
  return low === undefined || high === undefined ? undefined : [low, high]
}

function boundOf(value: Value | undefined, absent: number): number | undefined {
  if (!value) return absent
  const constant = value.initializer
  return constant?.elementType === 'float32' ? constant.tensor.toFloat32()[0] : undefined
}
