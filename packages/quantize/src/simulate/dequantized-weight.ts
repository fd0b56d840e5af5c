import { type Shape, Tensor } from '@lowlat/core'
import type { WeightParameters } from '../sites.ts'

/** scale * (quantized - zeroPoint), per tensor or along the weight's axis, as float32 in the given shape. */
export function dequantizedWeight(parameters: WeightParameters, shape: Shape): Tensor<'float32'> {
  const { axis, scales, zeroPoints, data } = parameters
  const real = new Float32Array(data.length)
  // Elements between two indices of the axis, and indices along it.
  const inner = axis === undefined ? data.length : shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  const channels = scales.length
  for (let start = 0, channel = 0; start < data.length; start += inner, channel = (channel + 1) % channels) {
    const scale = scales[channel]!
    const zero = zeroPoints[channel]!
    for (let i = start; i < start + inner; i++) real[i] = (data[i]! - zero) * scale
  }
  return new Tensor('float32', shape, real)
}
