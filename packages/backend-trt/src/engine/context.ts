import {
  disposeAll,
  type ExecutionContext,
  type Feeds,
  type Fetches,
  feedList,
  isLowlatError,
  type LayerTiming,
  type NamedTensor,
  type RunOptions,
  type Tensor,
} from '@lowlat/core'
import { acquire, contextDisposed, GraphCache, graphKey, type Resources, Slab, Workspace } from '@lowlat/cuda-driver'
import { Binding, type BindingParts } from './binding.ts'
import { CapturePolicy } from './capture-policy.ts'
import type { TrtEngine } from './engine.ts'
import {
  CapturedExecution,
  fetchesFrom,
  type Memory,
  measureLayers,
  runPlain,
  type Wanted,
  wantedFrom,
} from './execution.ts'
import { workspaceSizes } from './layout.ts'

/** Failures of a capture that say nothing about whether captures are possible. */
const PASSED_ON: ReadonlySet<string> = new Set(['OUT_OF_MEMORY', 'DEVICE_LOST', 'DISPOSED'])

/** Memory of a context: the arena for TensorRT and tensors, and what copies go through. */
interface ContextMemoryUse {
  readonly deviceBytes: number
  readonly pinnedBytes: number
}

/** A run with everything that chooses how it is carried out. */
interface Request {
  readonly key: string
  readonly profile: number
  readonly feeds: readonly NamedTensor[]
  readonly outputs: readonly string[] | undefined
}

/**
 * A stream with memory of its own. Runs are given to the stream by TensorRT, in a thread; a combination of shapes that
 * comes often, or that a profile names, becomes a CUDA graph, of which a bounded number is kept.
 *
 * Each graph has an IExecutionContext to itself, since what such a context holds must not change while a graph of it is in use;
 * all of them work in the same memory.
 */
export class TrtExecutionContext implements ExecutionContext {
  readonly #engine: TrtEngine
  readonly #memory: Memory
  readonly #parts: BindingParts
  readonly #resources: Resources
  readonly #graphs: GraphCache<CapturedExecution>
  /** By profile, for runs without a graph. */
  readonly #plain = new Map<number, PlainBinding>()
  readonly #policy: CapturePolicy
  #last: Promise<unknown> = Promise.resolve()
  #disposed: Promise<void> | undefined

  /** @throws BackendError OUT_OF_MEMORY and others; nothing is kept then. */
  constructor(engine: TrtEngine) {
    const { cuda, options, scratchBytes } = engine
    this.#engine = engine
    const maxGraphs = Math.max(1, options.graphs)
    this.#graphs = new GraphCache(maxGraphs)
    this.#policy = new CapturePolicy(maxGraphs)
    const parts = acquire((resources) => {
      const workspace = resources.own(new Workspace(cuda, engine.initialSizes))
      const allocatePinned = (sizeBytes: number) => cuda.allocatePinned(sizeBytes)
      const late = resources.own(new Slab(allocatePinned, 0))
      const auxStreams = Array.from({ length: engine.native.auxStreams }, () => resources.own(cuda.createStream()))
      return { memory: { workspace, scratchBytes, late }, auxStreams, allocatePinned, resources }
    })
    this.#memory = parts.memory
    this.#resources = parts.resources
    const { auxStreams, allocatePinned } = parts
    const { persistentCacheBytes } = options
    const { stream } = parts.memory.workspace
    this.#parts = { io: engine.io, stream, auxStreams, persistentCacheBytes, allocatePinned }
  }

  /** How many combinations of shapes are ready as CUDA graphs. */
  get graphs(): number {
    return this.#graphs.size
  }

  /** What it holds now, beside what TensorRT allocates by itself. */
  get memory(): ContextMemoryUse {
    const { workspace, late } = this.#memory
    const { arenaBytes, stagingBytes } = workspace.sizes
    return { deviceBytes: arenaBytes, pinnedBytes: stagingBytes + late.sizeBytes }
  }

  /** @throws (as rejection) InputError; BackendError; DisposedError. */
  async run(feeds: Feeds, { outputs, timeline }: RunOptions = {}): Promise<Fetches> {
    const request = this.#requestFrom(feeds, outputs)
    const values = await this.#alone(async () => {
      this.#policy.count(request.key)
      const captured = this.#graphs.get(request.key)
      if (captured) return captured.run(request.feeds, timeline)
      if (this.#isWorthCapturing(request)) return this.#runAndCapture(request, timeline)
      const { binding } = await this.#bind(request)
      return runPlain(binding, this.#memory, request.feeds, wantedFrom(outputs), timeline)
    })
    this.#engine.countRun(request.profile)
    return fetchesFrom(values, outputs ?? this.#engine.outputNames)
  }

  /** Layers as TensorRT's profiler reports them, measured apart from everything that serves runs. */
  async profile(feeds: Feeds, runs: number): Promise<readonly LayerTiming[]> {
    const request = this.#requestFrom(feeds, undefined)
    return this.#alone(async () => {
      const binding = await this.#createBinding(request.profile)
      try {
        await this.#place(binding, request.feeds)
        return await measureLayers(binding, this.#memory, request.feeds, runs, (layer) => this.#engine.typeOf(layer))
      } finally {
        await this.#release(binding)
      }
    })
  }

  /** One piece of work, which the end of the context waits for. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#engine.inTurn(work)
    this.#last = result
    return result
  }

  #requestFrom(feeds: Feeds, outputs: readonly string[] | undefined): Request {
    this.#checkAlive()
    const list = feedList(feeds, this.#engine.inputs)
    const key = graphKey(
      list.map(({ tensor }) => tensor.shape),
      outputs,
    )
    const profile = this.#engine.choice.indexFor(feeds)
    this.#engine.shapeValues.check(list, profile)
    return { key, profile, feeds: list, outputs }
  }

  #checkAlive(): void {
    if (this.#disposed) throw contextDisposed()
  }

  #isWorthCapturing({ key }: Request): boolean {
    const engine = this.#engine
    return engine.captures && this.#policy.isWorthCapturing(key, engine.isExpected(key), this.#graphs.displaced)
  }

  /** A binding for these shapes, for runs without a graph. */
  async #bind(request: Request): Promise<PlainBinding> {
    const { profile, key, feeds } = request
    let plain = this.#plain.get(profile)
    if (!plain) {
      plain = { binding: await this.#createBinding(profile), key: undefined }
      this.#plain.set(profile, plain)
    }
    // Values on the host are not in the key.
    if (plain.key !== key || this.#engine.io.usesHost) {
      plain.key = undefined
      await this.#place(plain.binding, feeds)
      plain.key = key
    }
    return plain
  }

  async #createBinding(profile: number): Promise<Binding> {
    return Binding.create(await this.#engine.native.createContext({ memory: 'user' }), this.#parts, profile)
  }

  /** What still runs after a failure uses it. */
  async #release(binding: Binding): Promise<void> {
    await this.#memory.workspace.idle()
    await binding[Symbol.asyncDispose]()
  }

  /** Sets shapes and addresses, with memory that suffices. */
  async #place(binding: Binding, feeds: readonly NamedTensor[]): Promise<void> {
    const { workspace, scratchBytes } = this.#memory
    binding.setShapes(feeds)
    const sizes = workspaceSizes(binding.layout, scratchBytes)
    if (!workspace.holds(sizes)) {
      await workspace.idle()
      await this.#graphs.clear() // they hold addresses of what is replaced
      for (const plain of this.#plain.values()) plain.key = undefined
      workspace.grow(sizes)
    }
    const scratch = this.#engine.sharedScratch ?? workspace.arena
    binding.setAddresses({
      scratch: scratch.address,
      scratchBytes: this.#engine.contextBytes,
      tensors: workspace.arena.address + scratchBytes,
    })
  }

  /** Runs once as TensorRT wants it before a capture, and keeps the graph. */
  async #runAndCapture(request: Request, timeline: RunOptions['timeline']): Promise<Map<string, Tensor>> {
    const wanted = wantedFrom(request.outputs)
    const binding = await this.#createBinding(request.profile)
    let isKept = false
    try {
      await this.#place(binding, request.feeds)
      const values = await runPlain(binding, this.#memory, request.feeds, wanted, timeline)
      if (binding.dataDependent.length > 0) {
        this.#engine.giveUpCaptures('the sizes of some outputs depend on data')
        return values
      }
      isKept = await this.#capture(request, binding, wanted)
      return values
    } finally {
      if (!isKept) await this.#release(binding)
    }
  }

  /** @returns whether the capture was possible; where it was not, none is tried again. */
  async #capture({ key }: Request, binding: Binding, wanted: Wanted): Promise<boolean> {
    try {
      await this.#graphs.add(key, () => new CapturedExecution(binding, this.#memory, wanted))
      return true
    } catch (error) {
      if (!isLowlatError(error) || PASSED_ON.has(error.code)) throw error
      this.#engine.giveUpCaptures(error.message)
      return false
    }
  }

  /** Waits for a run that has not settled, and for what still runs after a failure, and frees everything. Safe to call again. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#shutDown()
    return this.#disposed
  }

  async #shutDown(): Promise<void> {
    await this.#last.catch(() => {}) // its caller hears of it
    try {
      await this.#memory.workspace.idle()
    } finally {
      const plain = [...this.#plain.values()].map(({ binding }) => binding)
      await disposeAll([this.#graphs, ...plain, this.#resources])
      this.#engine.forget(this) // last: until then the engine has to wait
    }
  }
}

interface PlainBinding {
  readonly binding: Binding
  /** Of the shapes that are set; undefined for none. */
  key: string | undefined
}
