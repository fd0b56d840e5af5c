import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '@lowlat/core'

const EVERY_US = 1000

/** Lets the event loop turn now and then: a subject that answers from the microtask queue would starve it for a slice. */
export class LoopTurns {
  readonly #clock: Clock
  #lastUs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#lastUs = clock.nowUs()
  }

  isDue(nowUs: number): boolean {
    return nowUs - this.#lastUs >= EVERY_US
  }

  /** Resolves to the time after the turn. */
  async take(): Promise<number> {
    await nextTurn()
    this.#lastUs = this.#clock.nowUs()
    return this.#lastUs
  }
}
