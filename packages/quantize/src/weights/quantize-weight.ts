import { InputError, type Tensor } from '@lowlat/core'
import { parametersFor, type Scheme } from '../calibrate/scheme.ts'
import type { WeightParameters } from '../sites.ts'
import {
  type Levels,
  leastErrorScale,
  roundHalfEven,
  SMALLEST_WEIGHT_SCALE,
  type WeightMethod,
} from './channel-scale.ts'
import { channelLayout, gatherChannels, scatterChannels } from './channels.ts'

interface QuantizeWeightOptions {
  /** The axis with a scale per index; undefined for one scale in all. */
  readonly axis: number | undefined
  readonly scheme: Scheme
  /** Default 'mse'. */
  readonly method?: WeightMethod
}

/**
 * Scales, zero points and integers of a float32 weight, rounded to nearest, half to even. A channel of zeros gets the
 * smallest scale, so that its bias, whose scale depends on it, keeps its precision.
 * @throws InputError INVALID_ARGUMENT for an axis that the weight has not, and for weights that are not finite.
 */
export function quantizeWeight(weight: Tensor, options: QuantizeWeightOptions): WeightParameters {
  const { axis, scheme, method = 'mse' } = options
  checkAxis(axis, weight.shape)
  const layout = channelLayout(weight.shape, axis)
  const floats = gatherChannels(weight.toFloat32(), layout)
  const perChannel = layout.outer * layout.inner
  const scales = new Float32Array(layout.channels)
  const zeroPoints = new Int32Array(layout.channels)
  const data = scheme.dtype === 'int8' ? new Int8Array(floats.length) : new Uint8Array(floats.length)
  for (let channel = 0; channel < layout.channels; channel++) {
    const start = channel * perChannel
    const { scale, levels } = scaleOf(floats.subarray(start, start + perChannel), scheme, method)
    scales[channel] = scale
    zeroPoints[channel] = levels.zeroPoint
    for (let i = start; i < start + perChannel; i++) data[i] = roundTo(floats[i]!, scale, levels)
  }
  return { dtype: scheme.dtype, axis, scales, zeroPoints, data: scatterChannels(data, layout) }
}

/** As QuantizeLinear defines it: divided in float32, rounded half to even, saturated. */
export function roundTo(value: number, scale: number, { zeroPoint, lowest, highest }: Levels): number {
  return Math.min(highest, Math.max(lowest, roundHalfEven(Math.fround(value / scale)) + zeroPoint))
}

/** Symmetric schemes leave the lowest integer out, so that negation is exact. */
export function levelsOf({ dtype, symmetric }: Scheme, zeroPoint: number): Levels {
  const lowest = dtype === 'uint8' ? 0 : -128
  return { zeroPoint, lowest: symmetric ? lowest + 1 : lowest, highest: lowest + 255 }
}

function scaleOf(values: Float32Array, scheme: Scheme, method: WeightMethod): { scale: number; levels: Levels } {
  let min = 0
  let max = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value < min) min = value
    else if (value > max) max = value
    else if (!Number.isFinite(value)) throw notFinite(value)
  }
  if (!Number.isFinite(min) || !Number.isFinite(max)) throw notFinite(Number.isFinite(min) ? max : min)
  const { scale: covering, zeroPoint } = parametersFor({ min, max }, scheme)
  const levels = levelsOf(scheme, zeroPoint)
  if (min === max) return { scale: SMALLEST_WEIGHT_SCALE, levels }
  const scale = method === 'mse' ? leastErrorScale(values, covering, levels) : covering
  return { scale: Math.fround(Math.max(scale, SMALLEST_WEIGHT_SCALE)), levels }
}

function checkAxis(axis: number | undefined, shape: readonly number[]): void {
  if (axis === undefined || (Number.isInteger(axis) && axis >= 0 && axis < shape.length)) return
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected an axis of a weight [${shape.join(', ')}], got ${axis}.`,
    remedy: `Count axes from 0 to ${shape.length - 1}, or leave it undefined for one scale in all.`,
    received: axis,
  })
}

function notFinite(value: number): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected finite weights, got ${value}.`,
    remedy: 'The model is damaged: export it again, and look at its training.',
    received: value,
  })
}
