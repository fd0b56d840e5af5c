import { batchKey, checkRows, concatFeeds, splitFetches } from './batch-assembly.ts'
import { type BatcherOptions, checkBatcherOptions, rowsOf } from './batcher-options.ts'
import type { Timer } from './clock.ts'
import type { Feeds, Fetches } from './contract.ts'
import { DisposedError, isLowlatError, QueueFullError } from './errors.ts'
import { outputNamesFrom } from './feeds.ts'
import { type Place, PriorityQueue } from './priority-queue.ts'
import { RequestContext } from './request.ts'
import {
  checkBounds,
  deadlineError,
  isLate,
  type RequestOptions,
  requestContextFrom,
  watchBounds,
} from './request-options.ts'
import type { Session } from './session.ts'
import { type Span, Timeline } from './timeline.ts'

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
  place: Place<Item> | undefined
  stopWatching: () => void
}

/**
 * Gathers concurrent requests into batches along the first axis. A batch starts when a context is free and either
 * enough rows wait, or the oldest request has waited `maxQueueDelayUs`, or a deadline leaves no more time to wait.
 * While all contexts are busy, requests gather by themselves. A batch that fails is repeated one by one, so that a
 * bad request fails alone. It ends with its session and need not be disposed.
 */
export class Batcher {
  readonly #session: Session
  readonly #sizes: readonly number[] // descending; the first is maxBatchSize
  readonly #maxQueueDelayUs: number
  readonly #maxQueue: number
  readonly #outputs: readonly string[] | undefined
  readonly #queue = new PriorityQueue<Item>()
  #stopListening: (() => void) | undefined
  #timer: Timer | undefined
  #disposed = false

  /**
   * @throws ConfigError CONFIG_INVALID when the options do not fit each other or the model; InputError OUTPUT_UNKNOWN, or
   * INVALID_ARGUMENT for what is no session.
   */
  constructor(session: Session, options: BatcherOptions) {
    checkBatcherOptions(session, options)
    const { maxBatchSize, preferredBatchSizes = [], maxQueueDelayUs = 0, maxQueue = 1024 } = options
    this.#session = session
    this.#sizes = [...new Set([maxBatchSize, ...preferredBatchSizes])].sort((a, b) => b - a)
    this.#maxQueueDelayUs = maxQueueDelayUs
    this.#maxQueue = maxQueue
    this.#outputs = outputNamesFrom(options.outputs, session.outputs)
  }

  get queued(): number {
    return this.#queue.length
  }

  /**
   * Runs one request, of one row or several, as part of a batch. Outputs are views on the batch's outputs, without a
   * copy: the requests of a batch share its memory, each with rows of its own. Whoever keeps a small part for long, or
   * transfers it to another thread (which takes the whole buffer from everybody), takes `tensor.clone()` instead.
   * @throws (as rejection) as Session.run; ModelError MODEL_UNSUPPORTED when an output does not have one row per row of
   * the input.
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
      const checked = this.#session.checkFeeds(feeds)
      checkBounds(request, clock, 'before the request started')
      const rows = rowsOf(checked, this.#sizes[0]!)
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
        feeds: checked,
        key: batchKey(checked),
        rows,
        request,
        enqueuedUs,
        resolve,
        reject,
        state: 'queued',
        place: undefined,
        stopWatching: () => {},
      }
      item.stopWatching = watchBounds(
        request,
        clock,
        () => (item.state === 'running' ? 'while the batch ran' : 'while the request waited for a batch'),
        (error) => {
          item.state = 'over'
          reject(error)
          // The others may wait longer now, or for nothing.
          if (this.#leave(item)) this.#dispatch()
        },
      )
      item.place = this.#queue.push(item, request.priority)
      this.#dispatch()
    })
  }

  /** Rejects what waits; batches that run go on. The session stays open. */
  dispose(): void {
    this.#disposed = true
    this.#dispatch()
  }

  #rejectWaiting(): void {
    for (const item of [...this.#queue]) {
      this.#leave(item)
      settle(item, () => item.reject(disposedError()))
    }
  }

  /** Whether it was in the queue. */
  #leave(item: Item): boolean {
    if (!item.place) return false
    this.#queue.remove(item.place)
    item.place = undefined
    return true
  }

  /** What nobody can use any more must not take up rows of a batch; as long as none can start, it leaves by its timer. */
  #rejectLate(): void {
    const nowUs = this.#session.clock.nowUs()
    for (const item of [...this.#queue].filter(({ request }) => isLate(request, nowUs))) {
      this.#leave(item)
      settle(item, () => item.reject(deadlineError('while the request waited for a batch')))
    }
  }

  /** Listens only while requests wait, so that a session does not keep alive the batchers that nobody uses any more. */
  #listen(): void {
    if (this.#queue.length > 0) {
      this.#stopListening ??= this.#session.onIdle(() => this.#dispatch())
    } else {
      this.#stopListening?.()
      this.#stopListening = undefined
    }
  }

  #dispatch(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#disposed || this.#session.disposed) this.#rejectWaiting()
    if (this.#session.idle > 0) this.#rejectLate()
    while (this.#queue.length > 0 && this.#session.idle > 0) {
      const batch = this.#nextBatch()
      if (!batch) break
      void this.#runBatch(batch)
    }
    this.#listen()
  }

  /** The batch to start now; undefined, with the timer set, when it pays to wait. */
  #nextBatch(): Item[] | undefined {
    const waitingBy = new Map<Item['key'], Item[]>()
    for (const item of this.#queue) {
      const waiting = waitingBy.get(item.key)
      if (waiting) waiting.push(item)
      else waitingBy.set(item.key, [item])
    }
    const nowUs = this.#session.clock.nowUs()
    let nextUs = Number.POSITIVE_INFINITY
    for (const [key, waiting] of waitingBy) {
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
      this.#leave(item)
      item.state = 'running'
    }
    return batch
  }

  async #runBatch(taken: readonly Item[]): Promise<void> {
    const { clock } = this.#session
    const startUs = clock.nowUs()
    for (const item of taken) {
      stamp(item, [{ segment: 'queue', startUs: item.enqueuedUs, endUs: startUs, label: 'batcher' }])
    }
    const batch = taken.filter((item) => item.state === 'running')
    if (batch.length === 0) return
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
      const endUs = clock.nowUs()
      for (const [index, item] of batch.entries()) {
        stamp(item, timeline.spans)
        if (isLate(item.request, endUs)) settle(item, () => item.reject(deadlineError('while the batch ran')))
        else settle(item, () => item.resolve(parts[index]!))
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
      item.place = this.#queue.unshift(item, item.request.priority)
    }
    this.#dispatch()
  }

  async #runAlone(item: Item): Promise<void> {
    try {
      const fetches = await this.#session.runRequest(item.feeds, item.request, this.#outputs)
      // So that a model which cannot be batched does not wait for a full queue to say so.
      if (this.#sizes[0]! > 1) checkRows(fetches, item.rows)
      settle(item, () => item.resolve(fetches))
    } catch (error) {
      settle(item, () => item.reject(error))
    }
  }
}

/** Failures of a batch that its members need not share: a bad row, too many rows for any profile, memory that is gone. */
const RUN_ALONE = ['RUN_FAILED', 'SHAPE_OUTSIDE_PROFILE', 'INPUT_BYTE_LENGTH'] as const

/** What a request's own timeline throws rejects this request alone. */
function stamp(item: Item, spans: readonly Span[]): void {
  try {
    for (const { segment, startUs, endUs, label } of spans) item.request.timeline.span(segment, startUs, endUs, label)
  } catch (error) {
    settle(item, () => item.reject(error))
  }
}

function settle(item: Item, action: () => void): void {
  if (item.state === 'over') return
  item.state = 'over'
  item.stopWatching()
  action()
}

function disposedError(): DisposedError {
  return new DisposedError({ message: 'The batcher or its session was disposed.', remedy: 'Create a new one.' })
}
