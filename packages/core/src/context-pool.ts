import type { Clock } from './clock.ts'
import type { ExecutionContext, SpanSink } from './contract.ts'
import { disposeAll } from './dispose.ts'
import { DeadlineError, DisposedError, QueueFullError } from './errors.ts'
import { checkBounds, deadlineError, type RequestBounds, watchBounds } from './request-options.ts'
import { ServiceTime } from './service-time.ts'

interface Job {
  readonly bounds: RequestBounds
  readonly priority: number
  readonly enqueuedUs: number
  readonly timeline: SpanSink | undefined
  readonly start: (context: ExecutionContext) => Promise<unknown>
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
  state: 'queued' | 'running' | 'over'
  stopWatching: () => void
}

export interface PoolStats {
  readonly contexts: number
  readonly idle: number
  readonly queued: number
  /** Least run time seen lately, microseconds; 0 until known. */
  readonly leastRunUs: number
  /** Longest run time seen lately, microseconds; 0 until known. */
  readonly longestRunUs: number
}

/**
 * Lends execution contexts, one request at a time each. Requests that find none wait in a bounded queue, highest
 * priority first, then first come first served; what does not fit is rejected at once. An aborted or late request
 * leaves the queue at once; one that runs already is rejected at once while its context finishes the run.
 */
export class ContextPool {
  readonly #contexts: readonly ExecutionContext[]
  readonly #idle: ExecutionContext[]
  readonly #queue: Job[] = []
  readonly #maxQueue: number
  readonly #clock: Clock
  readonly #runTime = new ServiceTime()
  readonly #idleListeners = new Set<() => void>()
  #disposed: Promise<void> | undefined
  #allIdle: (() => void) | undefined

  constructor(contexts: readonly ExecutionContext[], options: { maxQueue: number; clock: Clock }) {
    this.#contexts = contexts
    this.#idle = [...contexts]
    this.#maxQueue = options.maxQueue
    this.#clock = options.clock
  }

  get stats(): PoolStats {
    return {
      contexts: this.#contexts.length,
      idle: this.#idle.length,
      queued: this.#queue.length,
      leastRunUs: this.#runTime.leastUs(this.#clock.nowUs()),
      longestRunUs: this.#runTime.longestUs,
    }
  }

  get idle(): number {
    return this.#idle.length
  }

  get disposed(): boolean {
    return this.#disposed !== undefined
  }

  /**
   * @throws (as rejection) QueueFullError; DeadlineError DEADLINE_EXCEEDED or DEADLINE_UNREACHABLE; AbortError;
   * DisposedError; whatever `start` rejects with.
   */
  run<T>(
    start: (context: ExecutionContext) => Promise<T>,
    bounds: RequestBounds = {},
    timeline?: SpanSink,
  ): Promise<T> {
    if (this.#disposed) return Promise.reject(disposedError())
    return new Promise<T>((resolve, reject) => {
      checkBounds(bounds, this.#clock, 'before the request started')
      const job: Job = {
        bounds,
        priority: bounds.priority ?? 0,
        enqueuedUs: this.#clock.nowUs(),
        timeline,
        start,
        resolve,
        reject,
        state: 'queued',
        stopWatching: () => {},
      }
      const position = this.#positionOf(job)
      this.#checkAdmission(job, position)
      job.stopWatching = watchBounds(
        bounds,
        this.#clock,
        () => (job.state === 'running' ? 'while the request ran' : 'while the request waited in the queue'),
        (error) => {
          if (job.state === 'queued') this.#queue.splice(this.#queue.indexOf(job), 1)
          job.state = 'over'
          reject(error)
        },
      )
      const context = this.#idle.pop()
      if (context) this.#startJob(job, context)
      else this.#queue.splice(position, 0, job)
    })
  }

  /**
   * Calls back whenever a context becomes idle with nothing waiting, and when the pool is disposed. Returns the function
   * that ends this.
   */
  onIdle(listener: () => void): () => void {
    this.#idleListeners.add(listener)
    return () => this.#idleListeners.delete(listener)
  }

  /** Rejects what waits, lets running requests finish, then disposes every context. */
  dispose(): Promise<void> {
    if (!this.#disposed) {
      this.#disposed = this.#shutDown()
      for (const listener of this.#idleListeners) listener()
    }
    return this.#disposed
  }

  async #shutDown(): Promise<void> {
    for (const job of this.#queue.splice(0)) this.#settle(job, () => job.reject(disposedError()))
    if (this.#idle.length < this.#contexts.length) {
      await new Promise<void>((resolve) => {
        this.#allIdle = resolve
      })
    }
    await disposeAll(this.#contexts)
  }

  /** Index in the queue behind everything of the same or a higher priority. */
  #positionOf(job: Job): number {
    let position = this.#queue.length
    while (position > 0 && this.#queue[position - 1]!.priority < job.priority) position--
    return position
  }

  #checkAdmission(job: Job, position: number): void {
    if (this.#idle.length === 0 && this.#queue.length >= this.#maxQueue) {
      throw new QueueFullError({
        message: `The queue is full: ${this.#queue.length} of at most ${this.#maxQueue} requests wait for ${this.#contexts.length} execution context(s).`,
        remedy: 'Retry later, shed load, or raise maxQueue or contexts.',
        expected: this.#maxQueue,
        received: this.#queue.length + 1,
      })
    }
    if (job.bounds.deadlineUs === undefined) return
    const nowUs = this.#clock.nowUs()
    const rounds = this.#idle.length > 0 ? 1 : Math.floor(position / this.#contexts.length) + 1
    const neededUs = rounds * this.#runTime.leastUs(nowUs)
    const leftUs = job.bounds.deadlineUs - nowUs
    if (neededUs > leftUs) {
      throw new DeadlineError('DEADLINE_UNREACHABLE', {
        message: `The deadline cannot be met: ${Math.round(leftUs)} us are left, at least ${Math.round(neededUs)} us are needed (${position} requests wait ahead).`,
        remedy: 'Allow more time, send fewer requests at once, or add contexts.',
        expected: neededUs,
        received: leftUs,
      })
    }
  }

  #startJob(job: Job, context: ExecutionContext): void {
    const startUs = this.#clock.nowUs()
    job.state = 'running'
    startSafely(job, context, startUs).then(
      (value) => {
        const endUs = this.#clock.nowUs()
        this.#runTime.record(endUs - startUs, endUs)
        // Its timer may be due without having had its turn.
        if (isLate(job, endUs)) this.#settle(job, () => job.reject(deadlineError('while the request ran')))
        else this.#settle(job, () => job.resolve(value as never))
        this.#release(context)
      },
      (error: unknown) => {
        this.#settle(job, () => job.reject(error))
        this.#release(context)
      },
    )
  }

  #settle(job: Job, settle: () => void): void {
    if (job.state === 'over') return
    job.state = 'over'
    job.stopWatching()
    settle()
  }

  #release(context: ExecutionContext): void {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      if (!isLate(next, this.#clock.nowUs())) {
        this.#startJob(next, context)
        return
      }
      // Do not spend a run on a result that nobody can use.
      const late = next
      this.#settle(late, () => late.reject(deadlineError('while the request waited in the queue')))
    }
    this.#idle.push(context)
    if (this.#idle.length === this.#contexts.length) this.#allIdle?.()
    for (const listener of this.#idleListeners) listener()
  }
}

function isLate({ bounds: { deadlineUs } }: Job, nowUs: number): boolean {
  return deadlineUs !== undefined && nowUs >= deadlineUs
}

/** Whatever throws in here rejects this request alone; the context is released all the same. */
async function startSafely(job: Job, context: ExecutionContext, startUs: number): Promise<unknown> {
  job.timeline?.span('queue', job.enqueuedUs, startUs)
  return job.start(context)
}

function disposedError(): DisposedError {
  return new DisposedError({
    message: 'The session was disposed.',
    remedy: 'Create a new session, or dispose it only after the last request has settled.',
  })
}
