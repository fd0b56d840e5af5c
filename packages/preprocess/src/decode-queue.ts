import {
  type Clock,
  checkBounds,
  QueueFullError,
  type RequestBounds,
  settleWithin,
  systemClock,
  watchBounds,
} from '@lowlat/core'

interface Waiting {
  readonly priority: number
  /** Passes the slot on to it; false where it is late already and has no use for one. */
  readonly start: () => boolean
}

interface DecodeQueueOptions {
  readonly concurrency: number
  readonly maxQueue: number
  readonly clock?: Clock
}

/**
 * Lets a bounded number of images be decoded at the same time and a bounded number wait, highest priority first, then
 * first come first served. What waits leaves at once when it is aborted or late; what is being decoded is rejected at
 * once and keeps its slot until the decoder is done with it, since the decoder cannot be stopped.
 */
export class DecodeQueue {
  readonly #concurrency: number
  readonly #maxQueue: number
  readonly #clock: Clock
  readonly #waiting: Waiting[] = []
  #running = 0

  constructor({ concurrency, maxQueue, clock = systemClock }: DecodeQueueOptions) {
    this.#concurrency = concurrency
    this.#maxQueue = maxQueue
    this.#clock = clock
  }

  /**
   * Calls `work` once it is its turn, which is before this returns where a slot is free.
   * @throws (as rejection) QueueFullError; DeadlineError DEADLINE_EXCEEDED; AbortError; whatever `work` rejects with.
   */
  async run<T>(work: () => Promise<T>, bounds: RequestBounds = {}): Promise<T> {
    checkBounds(bounds, this.#clock, 'before the image was decoded')
    if (this.#running < this.#concurrency) this.#running++
    else await this.#turn(bounds)
    return settleWithin(this.#occupy(work), bounds, this.#clock, 'while the image was decoded')
  }

  /** Resolves when a slot is this image's own. */
  #turn(bounds: RequestBounds): Promise<void> {
    if (this.#waiting.length >= this.#maxQueue) throw this.#full()
    const where = 'while the image waited in the queue'
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        priority: bounds.priority ?? 0,
        start: () => {
          stopWatching()
          try {
            // Its timer may be due without having had its turn.
            checkBounds(bounds, this.#clock, where)
          } catch (error) {
            reject(error)
            return false
          }
          resolve()
          return true
        },
      }
      const stopWatching = watchBounds(
        bounds,
        this.#clock,
        () => where,
        (error) => {
          this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
          reject(error)
        },
      )
      // Behind everything of the same or a higher priority.
      const before = this.#waiting.findLastIndex(({ priority }) => priority >= waiting.priority)
      this.#waiting.splice(before + 1, 0, waiting)
    })
  }

  async #occupy<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } finally {
      this.#passOn()
    }
  }

  #passOn(): void {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) if (next.start()) return
    this.#running--
  }

  #full(): QueueFullError {
    return new QueueFullError({
      message: `The queue is full: ${this.#maxQueue} images wait already, behind ${this.#concurrency} that are being decoded.`,
      remedy: 'Retry later, shed load, or raise `maxQueue` or `concurrency`.',
      expected: this.#maxQueue,
      received: this.#waiting.length + 1,
    })
  }
}
