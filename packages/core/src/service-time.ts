const WINDOW = 32
const ENOUGH = 8
/** Refusals leave no trace here, so without this a slow phase of the machine would be believed for ever. */
const STALE_AFTER_US = 1_000_000

/** How long runs took lately. */
export class ServiceTime {
  readonly #recentUs: number[] = []
  #count = 0
  #lastUs = 0
  #bounds: { leastUs: number; longestUs: number } | undefined

  record(durationUs: number, nowUs: number): void {
    this.#recentUs[this.#count % WINDOW] = durationUs
    this.#count++
    this.#lastUs = nowUs
    this.#bounds = undefined
  }

  /**
   * A bound from below for what a run still needs, so that only requests which provably cannot meet their deadline are
   * refused before they cost anything. 0 until enough runs were seen, and when none ended for a second.
   */
  leastUs(nowUs: number): number {
    return this.#count >= ENOUGH && nowUs - this.#lastUs <= STALE_AFTER_US ? this.#known().leastUs : 0
  }

  /** Until when a `leastUs` above 0 stays as it is, if no run ends before. */
  get knownUntilUs(): number {
    return this.#lastUs + STALE_AFTER_US
  }

  /** What a run may well take, for starting in time; 0 before the first. */
  get longestUs(): number {
    return this.#count > 0 ? this.#known().longestUs : 0
  }

  #known(): { leastUs: number; longestUs: number } {
    this.#bounds ??= { leastUs: Math.min(...this.#recentUs), longestUs: Math.max(...this.#recentUs) }
    return this.#bounds
  }
}

/** Beyond this many kinds the one seen first is forgotten, which only means that nothing is known about it. */
const MAX_KINDS = 64

/** Run times by kind: runs of one kind do the same work, for instance on the same shapes. */
export class ServiceTimes {
  readonly #kinds = new Map<string, ServiceTime>()

  of(kind: string): ServiceTime {
    const known = this.#kinds.get(kind)
    if (known) return known
    if (this.#kinds.size >= MAX_KINDS) this.#kinds.delete(this.#kinds.keys().next().value!)
    const created = new ServiceTime()
    this.#kinds.set(kind, created)
    return created
  }
}
