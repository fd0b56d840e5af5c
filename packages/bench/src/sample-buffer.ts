const FIRST_CAPACITY = 1024

/**
 * Samples in one growing Float64Array: eight bytes each. Beyond `maxSamples` every second one is dropped, and from then
 * on every second one that comes: what is kept stays spread evenly over all that were offered.
 */
export class SampleBuffer {
  readonly #maxSamples: number
  #values = new Float64Array(FIRST_CAPACITY)
  #length = 0
  #offered = 0
  #stride = 1

  constructor(maxSamples = Number.POSITIVE_INFINITY) {
    this.#maxSamples = maxSamples
  }

  get length(): number {
    return this.#length
  }

  /** Samples that came, kept or not. */
  get offered(): number {
    return this.#offered
  }

  push(value: number): void {
    if (this.#offered++ % this.#stride !== 0) return
    if (this.#length >= this.#maxSamples) {
      this.#halve()
      if ((this.#offered - 1) % this.#stride !== 0) return
    }
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(this.#length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#length++] = value
  }

  append(values: Float64Array): void {
    for (const value of values) this.push(value)
  }

  /** A copy of the samples, in the order in which they came. */
  toArray(): Float64Array {
    return this.#values.slice(0, this.#length)
  }

  #halve(): void {
    this.#stride *= 2
    this.#length = Math.ceil(this.#length / 2)
    for (let i = 0; i < this.#length; i++) this.#values[i] = this.#values[2 * i]!
  }
}
