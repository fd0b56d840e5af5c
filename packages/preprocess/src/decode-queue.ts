import {
  type Clock,
  checkBounds,
  PriorityQueue,
  QueueFullError,
  type RequestBounds,
  settleWithin,
  systemClock,
  watchBounds,
} from '@lowlat/core'

/** Passes the slot on to what waits; false where it is late already and has no use for one. */
type Start = () => boolean

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
  readonly #waiting = new PriorityQueue<Start>()
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
      const start = () => {
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
      }
      const stopWatching = watchBounds(
        bounds,
        this.#clock,
        () => where,
        (error) => {
          this.#waiting.remove(place)
          reject(error)
        },
      )
      const place = this.#waiting.push(start, bounds.priority ?? 0)
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
    for (let start = this.#waiting.shift(); start; start = this.#waiting.shift()) if (start()) return
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
