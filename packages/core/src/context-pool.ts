import { Backlog } from './backlog.ts'
import type { Clock } from './clock.ts'
import type { ExecutionContext, SpanSink } from './contract.ts'
import { disposeAll } from './dispose.ts'
import { DeadlineError, DisposedError, messageOf, QueueFullError } from './errors.ts'
import { checkArgument, functionRule } from './options.ts'
import type { Place } from './priority-queue.ts'
import { checkBounds, deadlineError, isLate, type RequestBounds, watchBounds } from './request-options.ts'
import { ServiceTime, ServiceTimes } from './service-time.ts'

interface Job {
  readonly bounds: RequestBounds
  readonly priority: number
  /** How long such work takes; undefined for what is not measured. */
  readonly serviceTime: ServiceTime | undefined
  readonly enqueuedUs: number
  readonly timeline: SpanSink | undefined
  readonly start: (context: ExecutionContext) => Promise<unknown>
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
  state: 'queued' | 'running' | 'over'
  place: Place<Job> | undefined
  stopWatching: () => void
}

const nothing = (): void => {}

export interface PoolStats {
  readonly contexts: number
  readonly idle: number
  readonly queued: number
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
  readonly #queue: Backlog<Job>
  readonly #maxQueue: number
  readonly #clock: Clock
  readonly #anyRun = new ServiceTime()
  readonly #runsByKind = new ServiceTimes()
  readonly #idleListeners = new Set<() => void>()
  #disposed: Promise<void> | undefined
  #allIdle: (() => void) | undefined

  constructor(contexts: readonly ExecutionContext[], options: { maxQueue: number; clock: Clock }) {
    this.#contexts = contexts
    this.#idle = [...contexts]
    this.#queue = new Backlog(contexts.length)
    this.#maxQueue = options.maxQueue
    this.#clock = options.clock
  }

  get stats(): PoolStats {
    return {
      contexts: this.#contexts.length,
      idle: this.#idle.length,
      queued: this.#queue.length,
      longestRunUs: this.#anyRun.longestUs,
    }
  }

  get idle(): number {
    return this.#idle.length
  }

  get disposed(): boolean {
    return this.#disposed !== undefined
  }

  /**
   * `kind` names the work: runs of one kind are expected to take equally long; those without one are not measured.
   * @throws (as rejection) QueueFullError; DeadlineError DEADLINE_EXCEEDED or DEADLINE_UNREACHABLE; AbortError;
   * DisposedError; whatever `start` rejects with.
   */
  run<T>(
    start: (context: ExecutionContext) => Promise<T>,
    bounds: RequestBounds = {},
    timeline?: SpanSink,
    kind?: string,
  ): Promise<T> {
    if (this.#disposed) return Promise.reject(disposedError())
    return new Promise<T>((resolve, reject) => {
      checkBounds(bounds, this.#clock, 'before the request started')
      const job: Job = {
        bounds,
        priority: bounds.priority ?? 0,
        serviceTime: kind === undefined ? undefined : this.#runsByKind.of(kind),
        enqueuedUs: this.#clock.nowUs(),
        timeline,
        start,
        resolve,
        reject,
        state: 'queued',
        place: undefined,
        stopWatching: nothing,
      }
      if (this.#idle.length === 0) this.#checkAdmission(job)
      if (bounds.signal || bounds.deadlineUs !== undefined) this.#watch(job)
      const context = this.#idle.pop()
      if (context) this.#startJob(job, context)
      else job.place = this.#queue.push(job)
    })
  }

  /**
   * Calls back whenever a context becomes idle with nothing waiting, and when the pool is disposed. Returns the function
   * that ends this. A listener that throws becomes a process warning: requests and other listeners do not suffer.
   * @throws InputError INVALID_ARGUMENT for what is no function.
   */
  onIdle(listener: () => void): () => void {
    checkArgument('listener', listener, functionRule)
    this.#idleListeners.add(listener)
    return () => this.#idleListeners.delete(listener)
  }

  /** Rejects what waits, lets running requests finish, then disposes every context. */
  dispose(): Promise<void> {
    if (!this.#disposed) {
      this.#disposed = this.#shutDown()
      this.#notifyIdle()
    }
    return this.#disposed
  }

  async #shutDown(): Promise<void> {
    for (let job = this.#queue.shift(); job; job = this.#queue.shift()) {
      const waiting = job
      this.#settle(waiting, () => waiting.reject(disposedError()))
    }
    if (this.#idle.length < this.#contexts.length) {
      await new Promise<void>((resolve) => {
        this.#allIdle = resolve
      })
    }
    await disposeAll(this.#contexts)
  }

  /** Ends the request when its signal fires or its deadline passes. */
  #watch(job: Job): void {
    job.stopWatching = watchBounds(
      job.bounds,
      this.#clock,
      () => (job.state === 'running' ? 'while the request ran' : 'while the request waited in the queue'),
      (error) => {
        if (job.place) this.#queue.remove(job.place)
        job.state = 'over'
        job.reject(error)
      },
    )
  }

  /** For a request that has to wait: no context is idle. */
  #checkAdmission(job: Job): void {
    if (this.#queue.length >= this.#maxQueue) {
      throw new QueueFullError({
        message: `The queue is full: ${this.#queue.length} of at most ${this.#maxQueue} requests wait for ${this.#contexts.length} execution context(s).`,
        remedy: 'Retry later, shed load, or raise maxQueue or contexts.',
        expected: this.#maxQueue,
        received: this.#queue.length + 1,
      })
    }
    if (job.bounds.deadlineUs === undefined) return
    const nowUs = job.enqueuedUs
    const leftUs = job.bounds.deadlineUs - nowUs
    const runUs = job.serviceTime?.leastUs(nowUs) ?? 0
    const wait = this.#queue.waitBeyond(leftUs - runUs, job.priority, nowUs)
    if (!wait) return
    throw new DeadlineError('DEADLINE_UNREACHABLE', {
      message: `The deadline cannot be met: ${Math.round(leftUs)} us are left, at least ${Math.round(wait.leastUs + runUs)} us are needed (at least ${wait.ahead} requests wait ahead).`,
      remedy: 'Allow more time, send fewer requests at once, or add contexts.',
      expected: wait.leastUs + runUs,
      received: leftUs,
    })
  }

  #startJob(job: Job, context: ExecutionContext): void {
    const startUs = this.#clock.nowUs()
    job.state = 'running'
    job.place = undefined
    startSafely(job, context, startUs).then(
      (value) => {
        const endUs = this.#clock.nowUs()
        if (job.serviceTime) {
          job.serviceTime.record(endUs - startUs, endUs)
          this.#anyRun.record(endUs - startUs, endUs)
        }
        if (isLate(job.bounds, endUs)) this.#settle(job, () => job.reject(deadlineError('while the request ran')))
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
      if (!isLate(next.bounds, this.#clock.nowUs())) {
        this.#startJob(next, context)
        return
      }
      // Do not spend a run on a result that nobody can use.
      const late = next
      this.#settle(late, () => late.reject(deadlineError('while the request waited in the queue')))
    }
    this.#idle.push(context)
    if (this.#idle.length === this.#contexts.length) this.#allIdle?.()
    this.#notifyIdle()
  }

  #notifyIdle(): void {
    // A copy, since listeners may leave and come again while they are called.
    for (const listener of [...this.#idleListeners]) {
      try {
        listener()
      } catch (error) {
        process.emitWarning(`An onIdle listener threw: ${messageOf(error)}`, { code: 'LOWLAT_IDLE_LISTENER' })
      }
    }
  }
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
