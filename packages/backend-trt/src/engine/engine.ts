import {
  disposeAll,
  type Engine,
  type EngineReport,
  type ExecutionContext,
  isLowlatError,
  type OptimizationProfile,
  type Plan,
  stampOf,
  type TensorInfo,
} from '@lowlat/core'
import {
  type CudaContext,
  type DeviceMemory,
  engineDisposed,
  graphKey,
  openDriver,
  type WorkspaceSizes,
} from '@lowlat/cuda-driver'
import type { TrtOptions } from '../options.ts'
import { damaged, type PlanMetadata, readMetadata, refusedByTensorRt } from '../plan-facts.ts'
import { loadPlugins } from '../plugins.ts'
import type { TensorRtEngine } from '../tensorrt/engine.ts'
import type { EngineLayers } from '../tensorrt/layers.ts'
import type { TensorRt } from '../tensorrt/library.ts'
import { ProfileChoice } from './choose-profile.ts'
import { TrtExecutionContext } from './context.ts'
import { EngineIo } from './io.ts'
import { alignUp } from './layout.ts'
import { measureSizes } from './measure.ts'
import { reportOf } from './report.ts'
import { ShapeValues } from './shape-values.ts'
import { restoreWeights } from './weights.ts'

/** Two contexts let copies of one run overlap with the kernels of another. */
const PREFERRED_CONTEXTS = 2
const MB = 2 ** 20

interface Parts {
  readonly native: TensorRtEngine
  readonly cuda: CudaContext
  /** What goes with the engine, in that order. */
  readonly owned: (Disposable | AsyncDisposable)[]
}

/** A plan on a device, shared by its contexts. */
export class TrtEngine implements Engine {
  readonly inputs: Engine['inputs']
  readonly outputs: Engine['outputs']
  readonly profiles: Engine['profiles']
  readonly preferredContexts: number
  readonly outputNames: readonly string[]
  readonly tensorRt: TensorRt
  readonly native: TensorRtEngine
  readonly cuda: CudaContext
  readonly options: TrtOptions
  readonly metadata: PlanMetadata
  readonly io: EngineIo
  readonly choice: ProfileChoice
  readonly shapeValues: ShapeValues
  /** What TensorRT works in, for one run. */
  readonly contextBytes: number
  /** Of it, in the memory of each context; none where they share it. */
  readonly scratchBytes: number
  readonly sharedScratch: DeviceMemory | undefined
  readonly #owned: (Disposable | AsyncDisposable)[]
  readonly #contexts = new Set<TrtExecutionContext>()
  readonly #expected: ReadonlySet<string>
  readonly #runs: number[]
  #initialSizes: WorkspaceSizes = { arenaBytes: 0, stagingBytes: 0 }
  /** Why nothing is captured; undefined while it is. */
  #noCaptures: string | undefined
  #lastTurn: Promise<unknown> = Promise.resolve()
  #layers: EngineLayers | undefined
  #disposed: Promise<void> | undefined

  /** @param parts `owned` gets what is made here. @throws ModelError; BackendError. */
  private constructor(
    tensorRt: TensorRt,
    { inputs, outputs, profiles }: Plan,
    { native, cuda, owned }: Parts,
    options: TrtOptions,
    metadata: PlanMetadata,
  ) {
    this.inputs = inputs
    this.outputs = outputs
    this.profiles = profiles
    this.outputNames = outputs.map(({ name }) => name)
    this.preferredContexts = options.sharedMemory ? 1 : PREFERRED_CONTEXTS
    this.tensorRt = tensorRt
    this.native = native
    this.cuda = cuda
    this.options = options
    this.metadata = metadata
    this.#owned = owned
    this.io = new EngineIo({ inputs, outputs }, native.tensors)
    this.choice = new ProfileChoice(inputs, profiles)
    this.shapeValues = new ShapeValues(native, this.io)
    this.contextBytes = alignUp(native.deviceMemoryBytes())
    this.sharedScratch = options.sharedMemory ? cuda.allocate(this.contextBytes) : undefined
    if (this.sharedScratch) owned.unshift(this.sharedScratch)
    this.scratchBytes = options.sharedMemory ? 0 : this.contextBytes
    this.#expected = expectedKeys(inputs, profiles)
    this.#runs = Array.from({ length: Math.max(1, profiles.length) }, () => 0)
    if (options.graphs === 0) this.#noCaptures = 'graphs is 0'
    else if (streamsWeights(native, options)) this.#noCaptures = 'weights come from the host while a run goes on'
    else if (this.io.usesHost) this.#noCaptures = 'inputs or outputs lie on the host'
  }

  /**
   * Brings a plan to the device, on a thread of the addon.
   * @throws ModelError PLAN_INVALID or PLAN_STALE; BackendError OUT_OF_MEMORY and others. Nothing is kept then.
   */
  static async load(tensorRt: TensorRt, plan: Plan, options: TrtOptions): Promise<TrtEngine> {
    const driver = openDriver()
    const device = driver.device(options.device)
    const metadata = readMetadata(plan, tensorRt, device)
    await checkSize(plan, metadata)
    if (!metadata.embedsPlugins) loadPlugins(tensorRt, [...metadata.plugins, ...options.plugins])
    /** In the order in which they are to go. */
    const owned: (Disposable | AsyncDisposable)[] = []
    try {
      const cuda = driver.createContext(device)
      owned.unshift(cuda)
      const native = await deserialize(tensorRt, plan, metadata, cuda, options)
      owned.unshift(native)
      await restoreWeights(native, metadata, plan.dependencies)
      const { weightStreamingMB } = options
      if (weightStreamingMB !== undefined) native.setWeightStreamingBudget(weightStreamingMB * MB)
      const engine = new TrtEngine(tensorRt, plan, { native, cuda, owned }, options, metadata)
      const { io, inputs, profiles, scratchBytes } = engine
      engine.#initialSizes = await measureSizes(native, io, inputs, profiles, scratchBytes, cuda)
      return engine
    } catch (error) {
      await disposeAll(owned).catch(() => {}) // the first error says why; this one would hide it
      throw error
    }
  }

  /** Memory for the largest shapes of every profile. */
  get initialSizes(): WorkspaceSizes {
    return this.#initialSizes
  }

  /** Whether runs become CUDA graphs. */
  get captures(): boolean {
    return this.#noCaptures === undefined
  }

  giveUpCaptures(reason: string): void {
    this.#noCaptures ??= reason
  }

  /** Whether a profile names these shapes, so that they will come again. */
  isExpected(key: string): boolean {
    return this.#expected.has(key)
  }

  countRun(profile: number): void {
    this.#runs[profile]!++
  }

  /** Does the work at once; where contexts share memory, when all earlier work is done. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (!this.sharedScratch) return work()
    const turn = this.#lastTurn.then(work)
    this.#lastTurn = turn.catch(() => {}) // the next one is not concerned
    return turn
  }

  /** What kind of layer this is, by its name; '' where the plan does not say. */
  typeOf(layer: string): string {
    return this.#inspected().layers.find(({ name }) => name === layer)?.type ?? ''
  }

  #inspected(): EngineLayers {
    this.#layers ??= this.native.layers()
    return this.#layers
  }

  /** @throws BackendError OUT_OF_MEMORY and others; the engine and its other contexts go on. DisposedError. */
  async createContext(): Promise<ExecutionContext> {
    if (this.#disposed) throw engineDisposed()
    const context = new TrtExecutionContext(this)
    this.#contexts.add(context)
    return context
  }

  /** For a context that has disposed itself. */
  forget(context: TrtExecutionContext): void {
    this.#contexts.delete(context)
  }

  inspect(): EngineReport {
    return reportOf(this, {
      layers: this.#inspected().layers,
      contexts: [...this.#contexts],
      runs: this.#runs,
      noCaptures: this.#noCaptures,
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#shutDown()
    return this.#disposed
  }

  async #shutDown(): Promise<void> {
    await disposeAll([...this.#contexts, ...this.#owned])
  }
}

/** Runs of such engines wait for copies of weights, which no capture can hold. */
function streamsWeights(native: TensorRtEngine, { weightStreamingMB }: TrtOptions): boolean {
  if (weightStreamingMB === undefined) return false
  const { budgetBytes, streamableBytes } = native.weightStreaming()
  return budgetBytes < streamableBytes
}

async function checkSize({ payload }: Plan, { planBytes }: PlanMetadata): Promise<void> {
  const size = payload.kind === 'bytes' ? payload.bytes.byteLength : await sizeOfFile(payload.path)
  if (size !== planBytes) throw damaged(`it has ${size} bytes instead of ${planBytes}`, size)
}

async function sizeOfFile(path: string): Promise<number> {
  try {
    return (await stampOf(path)).sizeBytes
  } catch (error) {
    throw isLowlatError(error, 'MODEL_NOT_FOUND') ? damaged(`its file '${path}' is not there`) : error
  }
}

async function deserialize(
  tensorRt: TensorRt,
  { payload }: Plan,
  { facts, embedsPlugins }: PlanMetadata,
  cuda: CudaContext,
  { onLog, logSeverity }: TrtOptions,
): Promise<TensorRtEngine> {
  const source = payload.kind === 'bytes' ? payload.bytes : { path: payload.path }
  try {
    return await tensorRt.deserialize(source, {
      cuda,
      hostCodeAllowed: facts.versionCompatible || embedsPlugins === true,
      onLog,
      logSeverity,
    })
  } catch (error) {
    // Its version and GPU were compared before: what is wrong with it is itself. Not so where other calls fail.
    if (isLowlatError(error, 'RUN_FAILED') && error.details.call === 'deserializeCudaEngine')
      throw refusedByTensorRt(error)
    throw error
  }
}

/** Of the shapes that profiles name, or of those that a model is fixed to. */
function expectedKeys(inputs: readonly TensorInfo[], profiles: readonly OptimizationProfile[]): Set<string> {
  const keyAt = (profile: OptimizationProfile, bound: 'min' | 'opt' | 'max') =>
    graphKey(
      inputs.map(({ name, shape }) => (Object.hasOwn(profile, name) ? profile[name]![bound] : shape.map(Number))),
    )
  const bounds = ['min', 'opt', 'max'] as const
  const all = profiles.length > 0 ? profiles : [{}]
  return new Set(all.flatMap((profile) => bounds.map((bound) => keyAt(profile, bound))))
}
