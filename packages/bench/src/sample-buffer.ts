const FIRST_CAPACITY = 1024

/** Samples in one growing Float64Array: eight bytes each, however many there are. */
export class SampleBuffer {
  #values = new Float64Array(FIRST_CAPACITY)
  #length = 0

  get length(): number {
    return this.#length
  }

  push(value: number): void {
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
}
