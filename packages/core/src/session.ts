import { tracingChannel } from 'node:diagnostics_channel'
import { type Clock, systemClock } from './clock.ts'
import { ContextPool, type PoolStats } from './context-pool.ts'
import type {
  Engine,
  EngineReport,
  ExecutionContext,
  Feeds,
  Fetches,
  LayerTiming,
  OptimizationProfile,
  TensorInfo,
} from './contract.ts'
import { disposeAll } from './dispose.ts'
import { BackendError } from './errors.ts'
import { checkFeeds, checkLength, outputNamesFrom, workKey } from './feeds.ts'
import { checkArgument, integerRule, namesRule, type RulesFor } from './options.ts'
import type { RequestContext } from './request.ts'
import { type RequestOptions, requestContextFrom, requestRules } from './request-options.ts'

/** Every run, for tracers: `tracing:lowlat:run:*` with `{ backend, feeds, timeline }`. */
const runChannel = tracingChannel('lowlat:run')
const runEvents = [runChannel.start, runChannel.end, runChannel.asyncStart, runChannel.asyncEnd, runChannel.error]

export interface SessionRunOptions extends RequestOptions {
  /** Outputs to compute and return; all when absent. */
  readonly outputs?: readonly string[]
}

const runRules: RulesFor<SessionRunOptions> = { ...requestRules, outputs: namesRule }
const runsRule = integerRule(1)

/** What became of each backend that was asked for, in order; the last one is in use. */
export interface BackendChoice {
  readonly backend: string
  readonly used: boolean
  readonly reason?: string
  readonly remedy?: string
}

interface SessionFields {
  engine: Engine
  backend: string
  selection: readonly BackendChoice[]
  contexts: number
  maxQueue: number
  clock?: Clock
  /** Releases what belongs to the session beside the engine. */
  onDispose?: () => Promise<void>
}

/**
 * A loaded model that answers requests: checks each, lends it an execution context, and keeps the surplus in a bounded
 * queue. Safe to call concurrently; nothing here blocks the event loop.
 */
export class Session implements AsyncDisposable {
  readonly backend: string
  readonly selection: readonly BackendChoice[]
  readonly clock: Clock
  readonly #engine: Engine
  readonly #pool: ContextPool
  readonly #onDispose: (() => Promise<void>) | undefined
  #disposed: Promise<void> | undefined

  private constructor(fields: SessionFields, pool: ContextPool) {
    this.backend = fields.backend
    this.selection = fields.selection
    this.clock = fields.clock ?? systemClock
    this.#engine = fields.engine
    this.#pool = pool
    this.#onDispose = fields.onDispose
  }

  /**
   * Takes ownership of the engine and of what `onDispose` releases: they go with the session, also when creating the
   * contexts fails.
   */
  static async create(fields: SessionFields): Promise<Session> {
    const { engine, contexts: count, maxQueue, clock = systemClock } = fields
    const contexts: ExecutionContext[] = []
    try {
      for (let i = 0; i < count; i++) contexts.push(await engine.createContext())
    } catch (error) {
      // The first error is the one that tells why; what fails while cleaning up after it would only hide it.
      await disposeAll([...contexts, engine]).catch(() => {})
      await fields.onDispose?.()
      throw error
    }
    return new Session(fields, new ContextPool(contexts, { maxQueue, clock }))
  }

  get inputs(): readonly TensorInfo[] {
    return this.#engine.inputs
  }

  get outputs(): readonly TensorInfo[] {
    return this.#engine.outputs
  }

  get profiles(): readonly OptimizationProfile[] {
    return this.#engine.profiles
  }

  get disposed(): boolean {
    return this.#pool.disposed
  }

  /** Contexts that are free now. */
  get idle(): number {
    return this.#pool.idle
  }

  get stats(): PoolStats {
    return this.#pool.stats
  }

  inspect(): EngineReport {
    return this.#engine.inspect?.() ?? { backend: this.backend, properties: {} }
  }

  /**
   * Runs the model once. The feeds' memory is read until the promise settles and is never changed or detached; the
   * fetches belong to the caller.
   * @throws (as rejection) InputError; QueueFullError; DeadlineError; AbortError; BackendError; DisposedError.
   */
  async run(feeds: Feeds, options: SessionRunOptions = {}): Promise<Fetches> {
    const request = requestContextFrom(options, this.clock, runRules)
    try {
      return await this.runRequest(feeds, request, options.outputs)
    } finally {
      request.timeline.end(this.clock.nowUs())
    }
  }

  /** As {@link run}, for a request that already has its context (in a pipeline). */
  runRequest(feeds: Feeds, request: RequestContext, outputs?: readonly string[]): Promise<Fetches> {
    if (runEvents.some((event) => event.hasSubscribers)) {
      const message = { backend: this.backend, feeds, timeline: request.timeline }
      return runChannel.tracePromise(async () => this.#run(feeds, request, outputs), message)
    }
    try {
      return this.#run(feeds, request, outputs)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Not asynchronous itself: in a burst, what each request that waits holds is what garbage collection has to copy. */
  #run(feeds: Feeds, request: RequestContext, outputs?: readonly string[]): Promise<Fetches> {
    const checked = this.checkFeeds(feeds)
    const wanted = outputNamesFrom(outputs, this.outputs)
    const { timeline } = request
    const runOptions = wanted ? { outputs: wanted, timeline } : { timeline }
    return this.#pool.run(
      (context) => {
        for (const { name } of this.inputs) checkLength(checked[name]!, name)
        return context.run(checked, runOptions)
      },
      request,
      timeline,
      workKey(checked, this.inputs, wanted),
    )
  }

  /**
   * The feeds' tensors, each property read once: only own enumerable properties count, and later changes of the object
   * do not reach what is returned. The elements are not copied.
   * @throws InputError when the feeds do not fit the model or its profiles.
   */
  checkFeeds(feeds: Feeds): Feeds {
    return checkFeeds(feeds, this.#engine)
  }

  /**
   * Calls back whenever a context becomes idle with nothing waiting, and when the session is disposed. Returns the
   * function that ends this. What a listener throws becomes a process warning.
   * @throws InputError INVALID_ARGUMENT for what is no function.
   */
  onIdle(listener: () => void): () => void {
    return this.#pool.onIdle(listener)
  }

  /** Mean time per layer over `runs` runs. @throws BackendError when this backend cannot measure layers. */
  async profile(feeds: Feeds, runs = 10): Promise<readonly LayerTiming[]> {
    const checked = this.checkFeeds(feeds)
    checkArgument('runs', runs, runsRule)
    return this.#pool.run(async (context) => {
      if (context.profile) return context.profile(checked, runs)
      throw new BackendError('BACKEND_UNAVAILABLE', {
        message: `The backend '${this.backend}' does not measure single layers.`,
        remedy: 'Use another backend for the profile, or the timeline of a run for its phases.',
      })
    })
  }

  /** Rejects requests that wait, lets running ones finish, and frees everything. Safe to call again. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#shutDown()
    return this.#disposed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  async #shutDown(): Promise<void> {
    try {
      await this.#pool.dispose()
    } finally {
      try {
        await this.#engine[Symbol.asyncDispose]()
      } finally {
        await this.#onDispose?.()
      }
    }
  }
}
