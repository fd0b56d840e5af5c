import { InputError } from '@lowlat/core'

/** Bins on each side of zero. A range that is in use fills at least half of one side: 2048 bins or more. */
export const BINS_PER_SIDE = 4096
/** Of a histogram that has seen nothing but zeros: finer than any float32. */
const FINEST_EXPONENT = -160

/** How often values of which size occur. Bin i holds the values from (i - BINS_PER_SIDE) * width to the next bin. */
export interface HistogramData {
  readonly min: number
  readonly max: number
  /** The width of a bin is 2 ** exponent. */
  readonly exponent: number
  readonly counts: Float64Array
}

/**
 * Counts values in bins of equal width, in memory that does not depend on how many they are. The width is a power of two
 * and doubles as values grow; bins then merge in pairs without loss, so that one pass suffices and the result depends
 * neither on the order of the values nor on how they were batched.
 */
export class Histogram implements HistogramData {
  readonly counts = new Float64Array(2 * BINS_PER_SIDE)
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  #exponent = FINEST_EXPONENT

  /** Exact, over all values; above `max` when there were none. */
  get min(): number {
    return this.#min
  }

  get max(): number {
    return this.#max
  }

  get exponent(): number {
    return this.#exponent
  }

  /** @throws InputError INVALID_ARGUMENT when a value is not finite; nothing is counted then. */
  add(values: Float32Array): void {
    if (values.length === 0) return
    const [min, max] = rangeOf(values)
    this.#grow(min, max)
    countInto(this.counts, values, 2 ** -this.#exponent)
  }

  merge(other: HistogramData): void {
    if (other.min > other.max) return
    this.#grow(other.min, other.max)
    if (other.exponent > this.#exponent) this.#coarsen(other.exponent - this.#exponent)
    const shift = this.#exponent - other.exponent
    for (const [bin, count] of other.counts.entries()) if (count > 0) this.counts[shifted(bin, shift)]! += count
  }

  #grow(min: number, max: number): void {
    this.#min = Math.min(this.#min, min)
    this.#max = Math.max(this.#max, max)
    const most = Math.max(Math.abs(this.#min), Math.abs(this.#max))
    let shift = 0
    while (most >= BINS_PER_SIDE * 2 ** (this.#exponent + shift)) shift++
    if (shift > 0) this.#coarsen(shift)
  }

  #coarsen(shift: number): void {
    this.#exponent += shift
    const before = this.counts.slice()
    this.counts.fill(0)
    for (const [bin, count] of before.entries()) if (count > 0) this.counts[shifted(bin, shift)]! += count
  }
}

/** The bin that holds `bin` once bins are 2 ** shift times as wide. */
function shifted(bin: number, shift: number): number {
  return Math.floor((bin - BINS_PER_SIDE) / 2 ** shift) + BINS_PER_SIDE
}

/** Two loops that do nothing else: the compiler keeps all of their state in registers. */
function countInto(counts: Float64Array, values: Float32Array, perUnit: number): void {
  for (let i = 0; i < values.length; i++) counts[(Math.floor(values[i]! * perUnit) + BINS_PER_SIDE) | 0]!++
}

function rangeOf(values: Float32Array): readonly [number, number] {
  let min = values[0]!
  let max = min
  let sum = 0 // of finite float32 it is finite as well: it tells whether all of them are
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value < min) min = value
    if (value > max) max = value
    sum += value
  }
  if (Number.isFinite(sum)) return [min, max]
  const notNumbers = values.reduce((count, value) => count + (Number.isNaN(value) ? 1 : 0), 0)
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected finite activations, got ${notNumbers > 0 ? `NaN in ${notNumbers} of ${values.length} elements` : 'an infinite one'}.`,
    remedy: 'Check the samples (normalisation, division by zero): the float model itself gives no numbers for them.',
    received: notNumbers > 0 ? 'NaN' : 'Infinity',
  })
}
