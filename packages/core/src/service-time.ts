const WINDOW = 32
const ENOUGH = 8

/**
 * The least time that a run took lately: a bound from below for what a request still needs, so that only requests
 * which provably cannot meet their deadline are refused before they cost anything.
 */
export class ServiceTime {
  readonly #recentUs = new Float64Array(WINDOW)
  #count = 0
  #leastUs = 0

  record(durationUs: number): void {
    this.#recentUs[this.#count % WINDOW] = durationUs
    this.#count++
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < Math.min(this.#count, WINDOW); i++) least = Math.min(least, this.#recentUs[i]!)
    this.#leastUs = least
  }

  /** 0 until enough runs were seen. */
  get leastUs(): number {
    return this.#count >= ENOUGH ? this.#leastUs : 0
  }
}
