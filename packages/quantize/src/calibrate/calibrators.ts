import { BINS_PER_SIDE, type HistogramData } from '../observe/histogram.ts'
import { divergence } from './divergence.ts'
import { coveringRange, type Range, type Scheme, stepsOf } from './scheme.ts'
import { bestWindow, rangeOfWindow, type Window } from './window.ts'

/** Chooses what the integers cover from how values are distributed; the range contains 0. */
export type Calibrator = (histogram: HistogramData, scheme: Scheme) => Range

/** Everything that was seen: no clipping, the coarsest steps. */
export const minMax: Calibrator = (histogram, scheme) => coveringRange(seen(histogram), scheme)

/**
 * Leaves out the rarest values: `percent` of them are covered. Symmetric schemes count absolute values, others leave out
 * equal shares at both ends (all of it at the one end where the values have one sign).
 */
export function percentile(percent = 99.99): Calibrator {
  return (histogram, scheme) => {
    const { min, max } = seen(histogram)
    const share = 1 - percent / 100
    if (scheme.symmetric) {
      const most = upperQuantile(absolute(histogram.counts), share, histogram.exponent)
      return coveringRange({ min: Math.max(min, -most), max: Math.min(max, most) }, scheme)
    }
    const each = min >= 0 || max <= 0 ? share : share / 2
    const { counts, exponent } = histogram
    const upper = upperQuantile(counts.slice(BINS_PER_SIDE), each, exponent, total(counts))
    const lower = upperQuantile(counts.slice(0, BINS_PER_SIDE).reverse(), each, exponent, total(counts))
    return { min: Math.max(Math.min(min, 0), -lower), max: Math.min(Math.max(max, 0), upper) }
  }
}

/** The range with the least expected squared error of rounding and clipping. */
export const mse: Calibrator = (histogram, scheme) =>
  search(histogram, scheme, (window) => squaredError(histogram, rangeOfWindow(window, histogram), scheme))

/**
 * The range under which the distribution of the quantized values is closest to that of the real ones, by the
 * Kullback-Leibler divergence (Migacz 2017, "8-bit Inference with TensorRT"). Values that are exactly zero, as rectifiers
 * make them, are no part of the comparison: they are exact under every range.
 */
export const entropy: Calibrator = (histogram, scheme) => {
  const counts = withoutZeros(histogram.counts)
  const levels = stepsOf(scheme) + 1
  // Fewer bins than levels would always look perfect inside.
  const fewest = Math.min(levels, BINS_PER_SIDE / 8)
  return search(histogram, scheme, (window) =>
    window.end - window.first < fewest ? Number.POSITIVE_INFINITY : divergence(counts, window, levels),
  )
}

function withoutZeros(counts: Float64Array): Float64Array {
  const smooth = counts.slice()
  smooth[BINS_PER_SIDE] = Math.min(counts[BINS_PER_SIDE]!, counts[BINS_PER_SIDE + 1]!)
  return smooth
}

function search(histogram: HistogramData, scheme: Scheme, cost: (window: Window) => number): Range {
  const all = seen(histogram)
  if (all.min === all.max) return coveringRange(all, scheme)
  const best = bestWindow(histogram, scheme, cost)
  const { min, max } = rangeOfWindow(best, histogram)
  // Bins end beyond the last value; symmetric ranges may have no value at one of their ends.
  const clipped = { min: Math.max(min, Math.min(all.min, 0)), max: Math.min(max, Math.max(all.max, 0)) }
  return coveringRange(clipped, scheme)
}

/** Mean over the bins of (x - dequantize(quantize(x)))^2, weighted by how often they occur. */
function squaredError({ counts, exponent }: HistogramData, { min, max }: Range, scheme: Scheme): number {
  const width = 2 ** exponent
  const step = (max - min) / stepsOf(scheme)
  let sum = 0
  for (let bin = 0; bin < counts.length; bin++) {
    const count = counts[bin]!
    if (count === 0) continue
    const value = (bin - BINS_PER_SIDE + 0.5) * width
    const error = value < min ? min - value : value > max ? value - max : value - Math.round(value / step) * step
    sum += count * error * error
  }
  return sum
}

function seen({ min, max }: HistogramData): Range {
  return min > max ? { min: 0, max: 0 } : { min, max }
}

function absolute(counts: Float64Array): Float64Array {
  return Float64Array.from(
    { length: BINS_PER_SIDE },
    (_, i) => counts[BINS_PER_SIDE + i]! + counts[BINS_PER_SIDE - 1 - i]!,
  )
}

const total = (counts: Float64Array) => counts.reduce((a, b) => a + b, 0)

/** The end of the last bin once bins from the far end that hold no more than `share` of all values are left out. */
function upperQuantile(counts: Float64Array, share: number, exponent: number, all = total(counts)): number {
  let left = share * all
  let bin = counts.length - 1
  while (bin >= 0 && counts[bin]! <= left) left -= counts[bin--]!
  return (bin + 1) * 2 ** exponent
}
