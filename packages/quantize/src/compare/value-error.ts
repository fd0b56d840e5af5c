/** How far one model's value is from another's, over all elements of all samples. */
export interface ErrorReport {
  /** Signal to noise in decibels: 10 log10(sum a^2 / sum (a - b)^2); infinite for equal values. */
  readonly snrDb: number
  readonly cosine: number
  readonly maxAbsError: number
  /** Mean of b - a: an offset that rounding should not leave. */
  readonly meanError: number
}

/** Sums over elements, in memory that does not depend on their number. */
export class ValueError {
  #count = 0
  #signal = 0
  #other = 0
  #product = 0
  #noise = 0
  #difference = 0
  #largest = 0

  add(expected: Float32Array, received: Float32Array): void {
    for (let i = 0; i < expected.length; i++) {
      const a = expected[i]!
      const b = received[i]!
      const difference = b - a
      this.#signal += a * a
      this.#other += b * b
      this.#product += a * b
      this.#noise += difference * difference
      this.#difference += difference
      const size = Math.abs(difference)
      // NaN is larger than anything, and stays.
      if (size > this.#largest || Number.isNaN(size)) this.#largest = size
    }
    this.#count += expected.length
  }

  get report(): ErrorReport {
    const isZero = this.#signal === 0 && this.#other === 0
    return {
      snrDb: this.#noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(this.#signal / this.#noise),
      cosine: isZero ? 1 : Math.min(1, this.#product / Math.sqrt(this.#signal * this.#other)),
      maxAbsError: this.#largest,
      meanError: this.#count === 0 ? 0 : this.#difference / this.#count,
    }
  }
}
