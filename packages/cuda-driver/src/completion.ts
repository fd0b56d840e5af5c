import { BackendError } from '@lowlat/core'
import type { CudaContext } from './context.ts'
import { pollKnob } from './knobs.ts'
import { cuResult } from './results.ts'
import type { CudaStream } from './stream.ts'

/** What is waited for: the last thing that a stream does is to write `sequence` to `word[0]`. */
export interface Completed {
  /** [1], over pinned memory. */
  readonly word: Int32Array
  /** 32 bits, larger than all before it; wraps around. */
  readonly sequence: number
  readonly stream: CudaStream
}

interface Waiter extends Completed {
  readonly pollUntilMs: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Between two looks of the slow kind, where no thread can wait. */
const SLOW_POLL_MS = 1

/** A turn of the event loop that took less held nothing but the look of the turn before. */
const IDLE_TURN_MS = 0.01

/** How long such a turn looks on: each turn leaves some 400 bytes of garbage, which at a turn a microsecond is too much. */
const LONG_LOOK_MS = 0.02

/** Between two looks at the clock. */
const LOOKS = 256

/**
 * Waits for the GPU without blocking the event loop. For a bounded time all waiters are looked at in each turn of the
 * event loop, for some microseconds where it has nothing else to do, which answers soonest; whoever waits longer gets a
 * thread that waits in the driver, or is looked at every millisecond where threads cannot wait.
 */
export class Completion {
  readonly #context: CudaContext
  readonly #polled: Waiter[] = []
  #polling = false
  /** When the last look ended, by `performance.now`, which leaves less garbage than other clocks. */
  #lookedMs = 0

  constructor(context: CudaContext) {
    this.#context = context
  }

  waitFor(completed: Completed): Promise<void> {
    if (hasArrived(completed)) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#polled.push({ ...completed, pollUntilMs: performance.now() + pollKnob.read() / 1000, resolve, reject })
      if (this.#polling) return
      this.#polling = true
      setImmediate(this.#poll)
    })
  }

  readonly #poll = (): void => {
    const startMs = performance.now()
    this.#settleArrived(startMs)
    if (startMs - this.#lookedMs < IDLE_TURN_MS) this.#lookLong(startMs + LONG_LOOK_MS)
    this.#lookedMs = performance.now()
    this.#polling = this.#polled.length > 0
    if (this.#polling) setImmediate(this.#poll)
  }

  /** Until one has arrived, or until then. */
  #lookLong(untilMs: number): void {
    let nowMs = 0
    while (!this.#seesArrival() && nowMs < untilMs) nowMs = performance.now()
    this.#settleArrived(nowMs)
  }

  #seesArrival(): boolean {
    for (let look = 0; look < LOOKS; look++) {
      for (const waiter of this.#polled) if (hasArrived(waiter)) return true
    }
    return false
  }

  /** In place: this runs hundreds of thousands of times a second, and garbage would cost more than the looking. */
  #settleArrived(nowMs: number): void {
    const polled = this.#polled
    let kept = 0
    for (const waiter of polled) {
      if (hasArrived(waiter)) waiter.resolve()
      else if (nowMs >= waiter.pollUntilMs) void this.#waitInThread(waiter)
      else polled[kept++] = waiter
    }
    polled.length = kept
  }

  async #waitInThread(waiter: Waiter): Promise<void> {
    try {
      const { stream } = waiter
      if (!this.#context.library.waitsInThreads) {
        this.#askSlowly(waiter)
        return
      }
      const result = await this.#context.library.callInThread('cuStreamSynchronize', stream.handle)
      // The thread has no current context; should a driver insist on one, this thread asks instead, now and then.
      if (result === cuResult.invalidContext) {
        this.#askSlowly(waiter)
        return
      }
      this.#context.check('cuStreamSynchronize', result)
      settle(waiter)
    } catch (error) {
      waiter.reject(error)
    }
  }

  #askSlowly(waiter: Waiter): void {
    setTimeout(() => {
      try {
        if (waiter.stream.query()) settle(waiter)
        else this.#askSlowly(waiter)
      } catch (error) {
        waiter.reject(error)
      }
    }, SLOW_POLL_MS)
  }
}

/** For a waiter whose stream has nothing left to do. */
function settle(waiter: Waiter): void {
  if (hasArrived(waiter)) {
    waiter.resolve()
    return
  }
  const received = Atomics.load(waiter.word, 0)
  waiter.reject(
    new BackendError('RUN_FAILED', {
      message: `Expected the GPU to report run ${waiter.sequence} as done, but its stream ended at ${received}.`,
      remedy: 'Report it with what was run; other requests are not affected.',
      expected: waiter.sequence,
      received,
    }),
  )
}

/** The difference wraps around with the numbers. */
function hasArrived({ word, sequence }: Completed): boolean {
  return ((Atomics.load(word, 0) - sequence) | 0) >= 0
}
