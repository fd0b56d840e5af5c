/** How the scale of a channel is chosen: covering every weight, or with the least squared error. */
export type WeightMethod = 'absmax' | 'mse'

/** What a channel's weights are rounded to: `scale * (integer - zeroPoint)` for integers from lowest to highest. */
export interface Levels {
  readonly zeroPoint: number
  readonly lowest: number
  readonly highest: number
}

/** Below it, bias scales (input * weight) could leave float32; the smallest float16 that is not zero. */
export const SMALLEST_WEIGHT_SCALE = 2 ** -24

/**
 * Divisors k of 127 / k times the covering scale, in bands. Up to 127 nothing is clipped: weights that lie on a coarser
 * grid, as those of a quantization-aware training do, are hit exactly. Beyond it the largest weights are clipped.
 */
const BANDS = [
  ...[range(1, 63, 1), range(64, 95, 1), range(96, 127, 1)],
  ...[range(130, 150, 5), range(155, 175, 5), range(180, 200, 5)],
]
/** Elements of a channel that all divisors are tried on; the best one of each band is then tried on all elements. */
const SAMPLE = 64

/** The scale among 127 / k * `covering` under which rounding and clipping the values costs the least squared error. */
export function leastErrorScale(values: Float32Array, covering: number, levels: Levels): number {
  const stride = Math.ceil(values.length / SAMPLE)
  const sample = new Float32Array(Math.floor(values.length / stride)).map((_, index) => values[index * stride]!)
  const finalists = BANDS.map((divisors) =>
    leastOf(
      divisors.map((divisor) => (covering * 127) / divisor),
      (scale) => squaredError(sample, scale, levels),
    ),
  )
  return leastOf([covering, ...finalists], (scale) => squaredError(values, scale, levels))
}

function squaredError(values: Float32Array, scale: number, { zeroPoint, lowest, highest }: Levels): number {
  const inverse = 1 / scale
  const least = lowest - zeroPoint
  const most = highest - zeroPoint
  let sum = 0
  for (let i = 0; i < values.length; i++) {
    const steps = values[i]! * inverse
    const difference = steps - Math.min(most, Math.max(least, roundHalfEven(steps)))
    sum += difference * difference
  }
  return sum * scale * scale
}

/** 1.5 * 2^52: beside it a double has no room for fractions, and the processor rounds them away, half to even. */
const NO_FRACTIONS = 6755399441055744

/** For magnitudes below 2^51. */
export function roundHalfEven(value: number): number {
  return value + NO_FRACTIONS - NO_FRACTIONS
}

function leastOf(scales: readonly number[], cost: (scale: number) => number): number {
  let best = scales[0]!
  let least = Number.POSITIVE_INFINITY
  for (const scale of scales) {
    const error = cost(scale)
    if (error < least) {
      least = error
      best = scale
    }
  }
  return best
}

function range(first: number, last: number, step: number): number[] {
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, index) => first + index * step)
}
