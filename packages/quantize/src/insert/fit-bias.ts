import type { Shape } from '@lowlat/core'
import type { WeightParameters } from '../sites.ts'
import { channelLayout, gatherChannels, scatterChannels } from '../weights/channels.ts'
import { levelsOf, roundTo } from '../weights/quantize-weight.ts'

/** Half of int32: leaves room for the products that are added to it. */
const LARGEST_BIAS = 2 ** 30
/** Normal float32, which every backend computes with. */
const SMALLEST_SCALE = 2 ** -126

/**
 * A bias is stored in int32 with scale input * weight. Where a channel's weights are so small beside its bias that it
 * does not fit, their scale grows until it does, and their integers are rounded anew. The same parameters where all fit.
 * @param shape of the weight.
 */
export function fitBias(
  parameters: WeightParameters,
  shape: Shape,
  bias: Float32Array,
  inputScale: number,
): WeightParameters {
  const { dtype, axis, scales, zeroPoints } = parameters
  const needed = new Float32Array(scales.length)
  for (const [index, value] of bias.entries()) {
    const channel = axis === undefined ? 0 : index
    const least = Math.max(Math.abs(value) / LARGEST_BIAS, SMALLEST_SCALE) / inputScale
    needed[channel] = Math.max(needed[channel]!, least)
  }
  if (scales.every((scale, channel) => scale >= needed[channel]!)) return parameters
  const grown = scales.map((scale, channel) => Math.max(scale, needed[channel]!))
  const layout = channelLayout(shape, axis)
  const data = gatherChannels(parameters.data, layout).slice()
  const perChannel = layout.outer * layout.inner
  for (let channel = 0; channel < grown.length; channel++) {
    const ratio = scales[channel]! / grown[channel]!
    if (ratio === 1) continue
    const zeroPoint = zeroPoints[channel]!
    const levels = levelsOf({ dtype, symmetric: false }, zeroPoint)
    for (let i = channel * perChannel; i < (channel + 1) * perChannel; i++) {
      data[i] = roundTo((data[i]! - zeroPoint) * ratio, 1, levels)
    }
  }
  return { ...parameters, scales: grown, data: scatterChannels(data, layout) }
}
