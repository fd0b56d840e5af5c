import type { Graph, Node } from '@lowlat/onnx'
import { rectifierBounds } from '../graph/rectifier-bounds.ts'
import type { ActivationParameters } from '../sites.ts'
import { levelsOf, roundTo } from '../weights/quantize-weight.ts'

/**
 * Removes a Relu or Clip in front of a QuantizeLinear that alone reads it, where the integers end where the rectifier
 * does: saturation then gives the same integers for any input.
 */
export function dropRectifier(graph: Graph, quantize: Node, parameters: ActivationParameters): void {
  const rectified = quantize.inputs[0]!
  const rectifier = rectified.producer
  const bounds = rectifier && rectifierBounds(rectifier)
  if (!bounds || rectified.uses.length > 1) return
  const levels = levelsOf({ dtype: parameters.dtype, symmetric: false }, parameters.zeroPoint)
  const [low, high] = bounds.map((bound) => roundTo(bound, parameters.scale, levels))
  if (low !== levels.lowest || high !== levels.highest) return
  quantize.setInput(0, rectifier.inputs[0])
  graph.removeNode(rectifier)
}
