import { InputError } from '@lowlat/core'

/**
 * Percentiles by nearest rank: the smallest sample that at least the fraction `q` of all samples does not exceed
 * (Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996, definition 1). Always a latency that really
 * occurred, never an interpolation between two.
 *
 * @param sorted ascending samples.
 * @param q fraction in (0, 1].
 * @throws InputError INVALID_ARGUMENT for no samples, or `q` outside its range.
 */
export function percentile(sorted: Float64Array, q: number): number {
  if (!(q > 0 && q <= 1)) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a percentile as a fraction in (0, 1], got ${q}.`,
      remedy: 'Pass 0.99 for the 99th percentile.',
      received: q,
    })
  }
  if (sorted.length === 0) {
    throw new InputError('INVALID_ARGUMENT', {
      message: 'Expected at least one sample to take a percentile of, got none.',
      remedy: 'Measure for longer.',
    })
  }
  // 0.999 * 1000 must count as 999, whatever its binary rounding.
  const rank = Math.ceil(q * sorted.length - 1e-9)
  return sorted[Math.max(rank, 1) - 1]!
}

/**
 * Whether so many samples can tell the percentile from the maximum: at least one sample must lie above it.
 * The 99.9th percentile takes 1000 samples.
 */
export function isResolved(count: number, q: number): boolean {
  return Math.ceil(q * count - 1e-9) < count
}

export interface Summary {
  readonly count: number
  readonly minUs: number
  readonly meanUs: number
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
  /** The maximum where fewer than 1000 samples exist; see {@link isResolved}. */
  readonly p999Us: number
  readonly maxUs: number
}

/** @throws InputError INVALID_ARGUMENT for no samples. Does not change `samplesUs`. */
export function summarize(samplesUs: Float64Array): Summary {
  const sorted = samplesUs.slice().sort()
  return {
    count: sorted.length,
    p50Us: percentile(sorted, 0.5),
    p90Us: percentile(sorted, 0.9),
    p99Us: percentile(sorted, 0.99),
    p999Us: percentile(sorted, 0.999),
    minUs: sorted[0]!,
    maxUs: sorted[sorted.length - 1]!,
    meanUs: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
  }
}

export function median(values: ArrayLike<number>): number {
  return percentile(Float64Array.from(values).sort(), 0.5)
}

/** A median and the interval that holds the true one with 95 % confidence. */
interface MedianEstimate {
  readonly median: number
  readonly low: number
  readonly high: number
}

/**
 * Median of `a[i] - b[i]`, of samples that were taken side by side: what a slow moment adds to both cancels out. The
 * interval lies between the order statistics n / 2 -+ 1.96 sqrt(n) / 2, whatever the distribution (Conover, "Practical
 * Nonparametric Statistics", section 3.2).
 * @throws InputError INVALID_ARGUMENT for no samples, or a different number of each.
 */
export function pairedDifference(a: Float64Array, b: Float64Array): MedianEstimate {
  if (a.length !== b.length) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected as many samples of one subject as of the other, got ${a.length} and ${b.length}.`,
      remedy: 'Pair only samples that were taken in the same rounds.',
      received: [a.length, b.length],
    })
  }
  const sorted = a.map((value, index) => value - b[index]!).sort()
  const spread = 0.98 / Math.sqrt(sorted.length)
  const at = (q: number) => percentile(sorted, Math.min(1, Math.max(Number.EPSILON, q)))
  return { median: at(0.5), low: at(0.5 - spread), high: at(0.5 + spread) }
}

/** What reading the clock itself costs, in microseconds: the median gap between readings with nothing in between. */
export function measureTimerCostUs(nowUs: () => number, readings = 20_000): number {
  const gapsUs = new Float64Array(readings)
  let beforeUs = nowUs()
  for (let i = 0; i < readings; i++) {
    const afterUs = nowUs()
    gapsUs[i] = afterUs - beforeUs
    beforeUs = afterUs
  }
  return median(gapsUs)
}
