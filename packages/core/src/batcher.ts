import { batchKey, concatFeeds, splitFetches } from './batch-assembly.ts'
import type { Timer } from './clock.ts'
import type { Feeds, Fetches } from './contract.ts'
import { ConfigError, DisposedError, InputError, isLowlatError, QueueFullError } from './errors.ts'
import { RequestContext } from './request.ts'
import { checkBounds, type RequestOptions, requestContextFrom, watchBounds } from './request-options.ts'
import type { Session } from './session.ts'
import { Timeline } from './timeline.ts'

export interface BatcherOptions {
  /** Rows per run at most. */
  readonly maxBatchSize: number
  /** Sizes that run well: a batch starts as soon as it can have the largest of these. Default: only maxBatchSize. */
  readonly preferredBatchSizes?: readonly number[]
  /** How long the oldest request waits for company, once a context is free. Default 0: not at all. */
  readonly maxQueueDelayUs?: number
  /** Requests that may wait; more are rejected at once. Default 1024. */
  readonly maxQueue?: number
}

interface Item {
  readonly feeds: Feeds
  readonly key: string
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
  readonly #queue: Item[] = [] // highest priority first, then oldest
  readonly #stopListening: () => void
  #timer: Timer | undefined
  #disposed = false

  /** @throws ConfigError CONFIG_INVALID when the options do not fit each other or the model. */
  constructor(session: Session, options: BatcherOptions) {
    const { maxBatchSize, preferredBatchSizes = [], maxQueueDelayUs = 0, maxQueue = 1024 } = options
    checkOption('maxBatchSize', maxBatchSize, 1)
    checkOption('maxQueue', maxQueue, 0)
    for (const size of preferredBatchSizes) checkOption('preferredBatchSizes', size, 1, maxBatchSize)
    if (!(maxQueueDelayUs >= 0))
      throw invalid(`maxQueueDelayUs is ${maxQueueDelayUs}`, 'Pass microseconds, at least 0.')
    checkBatchable(session, maxBatchSize)
    this.#session = session
    this.#sizes = [...new Set([maxBatchSize, ...preferredBatchSizes])].sort((a, b) => b - a)
    this.#maxQueueDelayUs = maxQueueDelayUs
    this.#maxQueue = maxQueue
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
    return this.runRequest(feeds, requestContextFrom(options, this.#session.clock))
  }

  runRequest(feeds: Feeds, request: RequestContext): Promise<Fetches> {
    return new Promise((resolve, reject) => {
      if (this.#disposed) throw disposedError()
      const { clock } = this.#session
      this.#session.checkFeeds(feeds)
      checkBounds(request, clock, 'before the request started')
      const rows = rowsOf(feeds, this.#sizes[0]!)
      if (this.#queue.length >= this.#maxQueue && !(this.#queue.length === 0 && this.#session.stats.idle > 0)) {
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
          if (item.state === 'queued') this.#queue.splice(this.#queue.indexOf(item), 1)
          item.state = 'over'
          reject(error)
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
    for (const item of this.#queue.splice(0)) settle(item, () => item.reject(disposedError()))
  }

  #dispatch(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    while (this.#queue.length > 0 && this.#session.stats.idle > 0) {
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
      if (dueUs <= nowUs) return this.#take(waiting, this.#sizes[0]!)
      nextUs = Math.min(nextUs, dueUs)
    }
    this.#timer = this.#session.clock.setTimer(nextUs - nowUs, () => this.#dispatch())
    return undefined
  }

  /** When the first of these requests must not wait any longer. */
  #dueUs(waiting: readonly Item[]): number {
    const runUs = this.#session.stats.leastRunUs
    let dueUs = Number.POSITIVE_INFINITY
    for (const { enqueuedUs, request } of waiting) {
      dueUs = Math.min(dueUs, enqueuedUs + this.#maxQueueDelayUs, (request.deadlineUs ?? dueUs) - runUs)
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
      const fetches = await this.#session.runRequest(feeds, new RequestContext({ timeline, priority }))
      const parts = splitFetches(
        fetches,
        batch.map((item) => item.rows),
      )
      for (const [index, item] of batch.entries()) {
        for (const span of timeline.spans)
          item.request.timeline.span(span.segment, span.startUs, span.endUs, span.label)
        settle(item, () => item.resolve(parts[index]!))
      }
    } catch (error) {
      if (isLowlatError(error, 'RUN_FAILED')) for (const item of batch) await this.#runAlone(item)
      else for (const item of batch) settle(item, () => item.reject(error))
    }
  }

  async #runAlone(item: Item): Promise<void> {
    if (item.state === 'over') return
    try {
      const fetches = await this.#session.runRequest(item.feeds, item.request)
      settle(item, () => item.resolve(fetches))
    } catch (error) {
      settle(item, () => item.reject(error))
    }
  }
}

function settle(item: Item, action: () => void): void {
  if (item.state === 'over') return
  item.state = 'over'
  item.stopWatching()
  action()
}

function rowsOf(feeds: Feeds, maxBatchSize: number): number {
  let rows: number | undefined
  for (const [name, tensor] of Object.entries(feeds)) {
    const own = tensor.shape[0]
    rows ??= own
    if (own === rows && own !== undefined && own >= 1 && own <= maxBatchSize) continue
    throw new InputError('INPUT_SHAPE', {
      message: `Expected 1 to ${maxBatchSize} rows (maxBatchSize), the same in every input, got [${tensor.shape.join(', ')}] for '${name}'.`,
      remedy: 'Split the request, or raise maxBatchSize.',
      expected: rows ?? maxBatchSize,
      received: tensor.shape,
    })
  }
  return rows ?? 1
}

function checkBatchable(session: Session, maxBatchSize: number): void {
  if (maxBatchSize === 1) return
  for (const input of session.inputs) {
    const [first] = input.shape
    if (typeof first !== 'string') {
      throw invalid(
        `maxBatchSize is ${maxBatchSize}, but input '${input.name}' is [${input.shape.join(', ')}]`,
        'Export the model with a dynamic first axis, or leave maxBatchSize at 1.',
      )
    }
    const limit = Math.max(...session.profiles.map((profile) => profile[input.name]?.max[0] ?? maxBatchSize))
    if (session.profiles.length > 0 && limit < maxBatchSize) {
      throw invalid(
        `maxBatchSize is ${maxBatchSize}, but the profiles allow at most ${limit} rows of '${input.name}'`,
        'Raise the first axis of max in the profile, or lower maxBatchSize.',
      )
    }
  }
}

function checkOption(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw invalid(
    `${name} is ${String(value)}`,
    `Pass an integer from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}.`,
  )
}

function invalid(what: string, remedy: string): ConfigError {
  return new ConfigError('CONFIG_INVALID', { message: `Cannot batch: ${what}.`, remedy })
}

function disposedError(): DisposedError {
  return new DisposedError({ message: 'The batcher was disposed.', remedy: 'Create a new one for the session.' })
}
