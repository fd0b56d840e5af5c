const WINDOW = 32
const ENOUGH = 8
/** Refusals leave no trace here, so without this a slow phase of the machine would be believed for ever. */
const STALE_AFTER_US = 1_000_000

/** How long runs took lately. */
export class ServiceTime {
  readonly #recentUs = new Float64Array(WINDOW)
  #count = 0
  #leastUs = 0
  #longestUs = 0
  #lastUs = 0

  record(durationUs: number, nowUs: number): void {
    this.#recentUs[this.#count % WINDOW] = durationUs
    this.#count++
    this.#lastUs = nowUs
    this.#leastUs = durationUs
    this.#longestUs = durationUs
    for (let i = 0; i < Math.min(this.#count, WINDOW); i++) {
      this.#leastUs = Math.min(this.#leastUs, this.#recentUs[i]!)
      this.#longestUs = Math.max(this.#longestUs, this.#recentUs[i]!)
    }
  }

  /**
   * A bound from below for what a request still needs, so that only requests which provably cannot meet their deadline
   * are refused before they cost anything. 0 until enough runs were seen, and when none ended for a second.
   */
  leastUs(nowUs: number): number {
    return this.#count >= ENOUGH && nowUs - this.#lastUs <= STALE_AFTER_US ? this.#leastUs : 0
  }

  /** What a run may well take, for starting in time; 0 before the first. */
  get longestUs(): number {
    return this.#longestUs
  }
}
