import { batchKey, concatFeeds, splitFetches } from './batch-assembly.ts'
import { type BatcherOptions, checkBatcherOptions, rowsOf } from './batcher-options.ts'
import type { Timer } from './clock.ts'
import type { Feeds, Fetches } from './contract.ts'
import { DisposedError, isLowlatError, QueueFullError } from './errors.ts'
import { RequestContext } from './request.ts'
import { checkBounds, type RequestOptions, requestContextFrom, watchBounds } from './request-options.ts'
import type { Session } from './session.ts'
import { Timeline } from './timeline.ts'

interface Item {
  readonly feeds: Feeds
  /** Requests of equal keys share a batch; a symbol for one that runs alone. */
  key: string | symbol
  readonly rows: number
  readonly request: RequestContext
  readonly enqueuedUs: number
  readonly resolve: (fetches: Fetches) => void
  readonly reject: (error: unknown) => void
  state: 'queued' | 'running' | 'over'
  stopWatching: () => void
}

/**
 * Gathers concurrent requests into batches along the first axis. A batch starts when a context is free and either
 * enough rows wait, or the oldest request has waited `maxQueueDelayUs`, or a deadline leaves no more time to wait.
 * While all contexts are busy, requests gather by themselves. A batch that fails is repeated one by one, so that a
 * bad request fails alone.
 */
export class Batcher {
  readonly #session: Session
  readonly #sizes: readonly number[] // descending; the first is maxBatchSize
  readonly #maxQueueDelayUs: number
  readonly #maxQueue: number
  readonly #outputs: readonly string[] | undefined
  readonly #queue: Item[] = [] // highest priority first, then oldest
  readonly #stopListening: () => void
  #timer: Timer | undefined
  #disposed = false

  /**
   * @throws ConfigError CONFIG_INVALID when the options do not fit each other or the model; InputError OUTPUT_UNKNOWN.
   */
  constructor(session: Session, options: BatcherOptions) {
    checkBatcherOptions(session, options)
    const { maxBatchSize, preferredBatchSizes = [], maxQueueDelayUs = 0, maxQueue = 1024 } = options
    this.#session = session
    this.#sizes = [...new Set([maxBatchSize, ...preferredBatchSizes])].sort((a, b) => b - a)
    this.#maxQueueDelayUs = maxQueueDelayUs
    this.#maxQueue = maxQueue
    this.#outputs = options.outputs
    this.#stopListening = session.onIdle(() => this.#dispatch())
  }

  get queued(): number {
    return this.#queue.length
  }

  /**
   * Runs one request, of one row or several, as part of a batch. Outputs are views on the batch's outputs.
   * @throws (as rejection) as Session.run.
   */
  async run(feeds: Feeds, options: RequestOptions = {}): Promise<Fetches> {
    const { clock } = this.#session
    const request = requestContextFrom(options, clock)
    try {
      return await this.runRequest(feeds, request)
    } finally {
      request.timeline.end(clock.nowUs())
    }
  }

  runRequest(feeds: Feeds, request: RequestContext): Promise<Fetches> {
    return new Promise((resolve, reject) => {
      if (this.#disposed) throw disposedError()
      const { clock } = this.#session
      this.#session.checkFeeds(feeds)
      checkBounds(request, clock, 'before the request started')
      const rows = rowsOf(feeds, this.#sizes[0]!)
      if (this.#queue.length >= this.#maxQueue && !(this.#queue.length === 0 && this.#session.idle > 0)) {
        throw new QueueFullError({
          message: `The queue is full: ${this.#queue.length} of at most ${this.#maxQueue} requests wait for a batch.`,
          remedy: 'Retry later, shed load, or raise maxQueue, maxBatchSize or contexts.',
          expected: this.#maxQueue,
          received: this.#queue.length + 1,
        })
      }
      const enqueuedUs = clock.nowUs()
      const item: Item = {
        feeds,
        key: batchKey(feeds),
        rows,
        request,
        enqueuedUs,
        resolve,
        reject,
        state: 'queued',
        stopWatching: () => {},
      }
      item.stopWatching = watchBounds(
        request,
        clock,
        () => (item.state === 'running' ? 'while the batch ran' : 'while the request waited for a batch'),
        (error) => {
          const waited = item.state === 'queued'
          item.state = 'over'
          reject(error)
          if (!waited) return
          this.#queue.splice(this.#queue.indexOf(item), 1)
          this.#dispatch() // the others may wait longer now, or for nothing
        },
      )
      let position = this.#queue.length
      while (position > 0 && this.#queue[position - 1]!.request.priority < request.priority) position--
      this.#queue.splice(position, 0, item)
      this.#dispatch()
    })
  }

  /** Rejects what waits; batches that run go on. The session stays open. */
  dispose(): void {
    this.#disposed = true
    this.#stopListening()
    this.#timer?.cancel()
    this.#rejectWaiting()
  }

  #rejectWaiting(): void {
    for (const item of this.#queue.splice(0)) settle(item, () => item.reject(disposedError()))
  }

  #dispatch(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#disposed || this.#session.disposed) this.#rejectWaiting()
    while (this.#queue.length > 0 && this.#session.idle > 0) {
      const batch = this.#nextBatch()
      if (!batch) return
      void this.#runBatch(batch)
    }
  }

  /** The batch to start now; undefined, with the timer set, when it pays to wait. */
  #nextBatch(): Item[] | undefined {
    const keys = new Set(this.#queue.map((item) => item.key))
    const nowUs = this.#session.clock.nowUs()
    let nextUs = Number.POSITIVE_INFINITY
    for (const key of keys) {
      const waiting = this.#queue.filter((item) => item.key === key)
      const rows = waiting.reduce((sum, item) => sum + item.rows, 0)
      const dueUs = this.#dueUs(waiting)
      const size = this.#sizes.find((candidate) => candidate <= rows)
      if (size !== undefined) return this.#take(waiting, size)
      if (typeof key === 'symbol' || dueUs <= nowUs) return this.#take(waiting, this.#sizes[0]!)
      nextUs = Math.min(nextUs, dueUs)
    }
    this.#timer = this.#session.clock.setTimer(nextUs - nowUs, () => this.#dispatch())
    return undefined
  }

  /** When the first of these requests must not wait any longer. */
  #dueUs(waiting: readonly Item[]): number {
    const runUs = this.#session.stats.longestRunUs
    let dueUs = Number.POSITIVE_INFINITY
    for (const { enqueuedUs, request } of waiting) {
      dueUs = Math.min(dueUs, enqueuedUs + this.#maxQueueDelayUs)
      if (request.deadlineUs !== undefined) dueUs = Math.min(dueUs, request.deadlineUs - runUs)
    }
    return dueUs
  }

  /** Takes requests in order while they fit into `size` rows, and always the first. */
  #take(waiting: readonly Item[], size: number): Item[] {
    const batch: Item[] = []
    let rows = 0
    for (const item of waiting) {
      if (batch.length > 0 && rows + item.rows > size) break
      batch.push(item)
      rows += item.rows
    }
    for (const item of batch) {
      this.#queue.splice(this.#queue.indexOf(item), 1)
      item.state = 'running'
    }
    return batch
  }

  async #runBatch(batch: readonly Item[]): Promise<void> {
    const { clock } = this.#session
    const startUs = clock.nowUs()
    for (const item of batch) item.request.timeline.span('queue', item.enqueuedUs, startUs, 'batcher')
    if (batch.length === 1) return this.#runAlone(batch[0]!)
    const timeline = new Timeline(startUs)
    try {
      const feeds = concatFeeds(batch.map((item) => item.feeds))
      timeline.span('preprocess', startUs, clock.nowUs(), 'batch assembly')
      // Deadlines and signals are the requests' own: each is watched by itself, and the batch serves the others.
      const priority = Math.max(...batch.map((item) => item.request.priority))
      const fetches = await this.#session.runRequest(feeds, new RequestContext({ timeline, priority }), this.#outputs)
      const parts = splitFetches(
        fetches,
        batch.map((item) => item.rows),
      )
      for (const [index, item] of batch.entries()) {
        const { timeline: own } = item.request
        for (const { segment, startUs, endUs, label } of timeline.spans) own.span(segment, startUs, endUs, label)
        settle(item, () => item.resolve(parts[index]!))
      }
    } catch (error) {
      if (RUN_ALONE.some((code) => isLowlatError(error, code))) this.#requeueAlone(batch)
      else for (const item of batch) settle(item, () => item.reject(error))
    }
  }

  /** Back to the front of the queue, before everything of their priority: they have waited longest. */
  #requeueAlone(batch: readonly Item[]): void {
    for (const item of batch.toReversed()) {
      if (item.state === 'over') continue
      item.state = 'queued'
      item.key = Symbol('alone')
      const position = this.#queue.findIndex(({ request }) => request.priority <= item.request.priority)
      this.#queue.splice(position === -1 ? this.#queue.length : position, 0, item)
    }
    this.#dispatch()
  }

  async #runAlone(item: Item): Promise<void> {
    try {
      const fetches = await this.#session.runRequest(item.feeds, item.request, this.#outputs)
      settle(item, () => item.resolve(fetches))
    } catch (error) {
      settle(item, () => item.reject(error))
    }
  }
}

/** Failures of a batch that its members need not share: a bad row, or a number of rows that no profile holds. */
const RUN_ALONE = ['RUN_FAILED', 'SHAPE_OUTSIDE_PROFILE'] as const

function settle(item: Item, action: () => void): void {
  if (item.state === 'over') return
  item.state = 'over'
  item.stopWatching()
  action()
}

function disposedError(): DisposedError {
  return new DisposedError({ message: 'The batcher was disposed.', remedy: 'Create a new one for the session.' })
}
