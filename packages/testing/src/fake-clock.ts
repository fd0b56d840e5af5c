import type { Clock, Timer } from '@lowlat/core'

interface Pending {
  readonly dueUs: number
  readonly order: number
  readonly fire: () => void
}

/** A clock that stands still until the test moves it. */
export class FakeClock implements Clock {
  #nowUs = 0
  #count = 0
  readonly #pending = new Set<Pending>()

  nowUs(): number {
    return this.#nowUs
  }

  setTimer(delayUs: number, fire: () => void): Timer {
    const pending = { dueUs: this.#nowUs + Math.max(0, delayUs), order: this.#count++, fire }
    this.#pending.add(pending)
    return { cancel: () => this.#pending.delete(pending) }
  }

  /** Timers that wait. */
  get timers(): number {
    return this.#pending.size
  }

  /** Moves time on; due timers fire in order, each followed by whatever promises it settles. */
  async advance(byUs: number): Promise<void> {
    const endUs = this.#nowUs + byUs
    for (;;) {
      await settled()
      const next = [...this.#pending]
        .filter((pending) => pending.dueUs <= endUs)
        .sort((a, b) => a.dueUs - b.dueUs || a.order - b.order)[0]
      if (!next) break
      this.#nowUs = next.dueUs
      this.#pending.delete(next)
      next.fire()
    }
    this.#nowUs = endUs
    await settled()
  }
}

/** Lets everything that is ready to run, run. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
