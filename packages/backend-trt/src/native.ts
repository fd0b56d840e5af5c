import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { BackendError, messageOf, stringKnob } from '@lowlat/core'

/*
 * The interface of the addon. Addresses, streams and CUDA contexts are numbers: user space lies below 2^47. What is
 * thrown, and what promises reject with, is a NativeError. Beside the codes named below every call may give
 * INVALID_ARGUMENT {argument, expected}, DISPOSED, CALL_UNAVAILABLE {call, version, since} where the loaded version lacks
 * the call, FLAG_UNSUPPORTED {flag, kind, version} for names of enums that it lacks, REFUSED {call, errors, log} for what
 * TensorRT does not accept, OUT_OF_MEMORY where it says that this is why, and CUDA_FAILED {call, result}.
 *
 * An engine has a thread of its own, in which it is made, makes contexts and does whatever returns a promise, one after
 * another. A context that this thread works with, and an engine whose weights are replaced, refuse other calls: BUSY.
 * Bytes that are passed must neither change nor be transferred until the promise has settled.
 *
 * When the process or a worker thread ends, builds are cancelled, which TensorRT heeds between steps, and the threads are
 * awaited; a worker's contexts and engines are then freed, those of a process that ends are left to the system.
 */

const addonKnob = stringKnob({
  name: 'LOWLAT_TRT_ADDON',
  description: 'TensorRT backend: file with the native addon.',
  default: '',
  defaultText: 'prebuilt/PLATFORM-ARCH/lowlat_trt.node in the package',
})

export interface NativeAddon {
  /** @throws NativeError LIBRARY_MISSING, SYMBOL_MISSING or VERSION_UNSUPPORTED. */
  open(paths: LibraryPaths): NativeLibrary
}

/** Candidates in order; the parser and the plugins are opened when they are first needed. */
export interface LibraryPaths {
  readonly nvinfer: readonly string[]
  readonly onnxParser: readonly string[]
  readonly plugin: readonly string[]
  readonly cudaDriver: string
}

export type Severity = 'internal-error' | 'error' | 'warning' | 'info' | 'verbose'

export interface LogMessage {
  readonly severity: Severity
  readonly message: string
}

/** A model in memory, or a file, where weights may lie beside it. */
export type ModelBytes = { readonly bytes: Uint8Array } | { readonly path: string }

export interface NativeLibrary {
  readonly version: { readonly major: number; readonly minor: number; readonly patch: number }
  readonly path: string
  /** As the parser numbers itself; undefined until it was needed. */
  readonly parserVersion?: number
  initPlugins(): boolean
  /** Once in the process, however often it is asked for. @throws NativeError PLUGIN_FAILED {library, errors, log}. */
  loadPluginLibrary(path: string): void
  /**
   * Builds in a thread of its own. Rejects with PARSE_FAILED {errors: ParserError[]}, BUILD_FAILED {errors, log},
   * CANCELLED, PROFILE_INVALID {profile, input}, FILE_UNREADABLE {path}; always with `log`: the last 100 warnings and worse.
   */
  build(request: BuildRequest, onEvent: (event: BuildEvent) => void): NativeJob<BuildResult>
  supports(model: ModelBytes): Promise<SupportReport>
  deserialize(plan: Uint8Array | { readonly path: string }, options: DeserializeOptions): Promise<NativeEngine>
  /** @throws NativeError IN_USE {users} while jobs or engines are alive. */
  close(): void
}

export interface DeserializeOptions {
  readonly cudaContext: number
  /** Lets the plan bring code for the host, as version-compatible plans do. */
  readonly hostCodeAllowed?: boolean
  /** Also told what is logged later, until the engine is disposed. */
  readonly onLog: (message: LogMessage) => void
  /** The least that `onLog` is told. Default: 'warning'. */
  readonly logSeverity?: Severity
}

export interface NativeJob<T> {
  readonly done: Promise<T>
  /** Takes effect between two steps; too late where the last one is done. */
  cancel(): void
}

export interface BuildRequest {
  readonly model: ModelBytes
  readonly cudaContext: number
  readonly stronglyTyped: boolean
  /** Names of TensorRT's enums without their k: 'TF32'. Flags that are not named are off. */
  readonly flags: readonly string[]
  readonly networkFlags: readonly string[]
  readonly parserFlags: readonly string[]
  /** Bytes, by MemoryPoolType: 'WORKSPACE'. */
  readonly memoryPools: Readonly<Record<string, number>>
  readonly optimizationLevel?: number
  readonly maxAuxStreams?: number
  readonly avgTimingIterations?: number
  readonly hardwareCompatibility?: string
  readonly profilingVerbosity?: string
  readonly previewFeatures?: Readonly<Record<string, boolean>>
  readonly tacticSources?: readonly string[]
  readonly tilingOptimizationLevel?: string
  readonly runtimePlatform?: string
  readonly profiles: readonly Readonly<Record<string, ProfileRange>>[]
  readonly timingCache?: Uint8Array
  readonly useTimingCache: boolean
  /** Serialised with the plan, as are those that the parser chose where it is to be version compatible. */
  readonly pluginLibraries: readonly string[]
  /** Names of the weights that REFIT_INDIVIDUAL lets be replaced: no others can be then. */
  /** WEIGHTS_UNKNOWN {weights} for names that the network does not have. */
  readonly refittableWeights?: readonly string[]
  /** The least that `onEvent` is told. Default: 'info'. */
  readonly logSeverity?: Severity
}

export interface ProfileRange {
  readonly min: readonly number[]
  readonly opt: readonly number[]
  readonly max: readonly number[]
  /** The values of a shape tensor instead of dimensions. */
  readonly values?: boolean
}

/**
 * Where the event loop does not keep up, steps and messages below warnings are dropped, which a message then tells. What a
 * listener throws becomes an uncaught exception.
 */
export type BuildEvent =
  | ({ readonly kind: 'log' } & LogMessage)
  | { readonly kind: 'phase-start'; readonly phase: string; readonly parent?: string; readonly steps: number }
  | { readonly kind: 'step'; readonly phase: string; readonly step: number }
  | { readonly kind: 'phase-end'; readonly phase: string }

export interface BuildResult {
  /** In TensorRT's own memory, which is freed with the array. */
  readonly plan: Uint8Array
  readonly timingCache?: Uint8Array
  /** The bytes that were given are of another version or device: an empty cache took their place. */
  readonly timingCacheRefused: boolean
  readonly tensors: readonly TensorDescription[]
}

export interface ParserError {
  /** Of TensorRT's ErrorCode without its k: 'UNSUPPORTED_NODE'. */
  readonly code: string
  readonly description: string
  readonly file: string
  readonly line: number
  readonly node: number
  readonly nodeName: string
  readonly nodeOperator: string
  readonly functionStack: readonly string[]
}

export interface SupportReport {
  readonly supported: boolean
  /** Groups of nodes, by their index in the model. */
  readonly subgraphs: readonly { readonly nodes: readonly number[]; readonly supported: boolean }[]
  readonly errors: readonly ParserError[]
}

export interface TensorDescription {
  readonly name: string
  readonly mode: 'input' | 'output'
  /** TensorRT's DataType without its k: 'FLOAT'. */
  readonly dtype: string
  /** -1 for what is known at run time. */
  readonly shape: readonly number[]
  readonly location: 'device' | 'host'
  readonly isShapeTensor: boolean
  /** TensorRT's TensorFormat without its k: 'LINEAR'. Of engines only. */
  readonly format?: string
}

export interface NativeEngine {
  readonly name: string
  readonly layers: number
  readonly profiles: number
  readonly auxStreams: number
  readonly refittable: boolean
  readonly hardwareCompatibility: string
  readonly profilingVerbosity: string
  readonly tensors: readonly TensorDescription[]
  profileShape(tensor: string, profile: number): { min: number[]; opt: number[]; max: number[] }
  /** Of a shape tensor; empty for what is none. */
  profileValues(tensor: string, profile: number): { min: number[]; opt: number[]; max: number[] }
  /** Of one context; for all profiles where none is named. */
  deviceMemoryBytes(profile?: number): number
  weightStreaming(): WeightStreaming
  /** @throws NativeError IN_USE {contexts} while contexts are alive. */
  setWeightStreamingBudget(sizeBytes: number): void
  inspect(format: InspectorFormat): string
  inspectLayer(index: number, format: InspectorFormat): string
  serialize(flags?: readonly string[]): Promise<Uint8Array>
  /** Nothing is replaced while weights are missing. Rejects with PARSE_FAILED {errors}, or BUSY while contexts run. */
  refit(model: ModelBytes): Promise<{ missing: string[] }>
  createContext(options: { readonly memory: ContextMemory }): Promise<NativeContext>
  /** Resolves when it is freed, which happens in its thread. @throws NativeError IN_USE {contexts} while contexts are alive. */
  dispose(): Promise<void>
}

export interface WeightStreaming {
  /** Of the weights that can stay on the host. */
  readonly streamableBytes: number
  /** Device memory that weights may take. */
  readonly budgetBytes: number
  /** What TensorRT would choose. */
  readonly automaticBudgetBytes: number
  readonly scratchBytes: number
}

export type InspectorFormat = 'json' | 'oneline'

/** Whose device memory a context works in: its own, one that grows with the profile, or what it is given. */
export type ContextMemory = 'own' | 'user' | 'on-profile-change'

export interface NativeContext {
  setProfile(index: number, stream: number): void
  /** In the engine's thread: where memory has to be allocated it takes milliseconds. */
  setProfileInThread(index: number, stream: number): Promise<void>
  setInputShape(name: string, shape: readonly number[]): void
  /** Names of inputs that still lack a shape or an address. */
  inferShapes(): string[]
  /** -1 for sizes that depend on data. */
  shapeOf(name: string): number[]
  stridesOf(name: string): number[]
  maxOutputBytes(name: string): number
  /** Of device memory; of pinned memory for a tensor that lies on the host. */
  setAddress(name: string, address: number): void
  /**
   * Lets the addon allocate an output when TensorRT knows its size (IOutputAllocator); memory is used again while it suffices.
   * Runs cannot be captured from then on.
   */
  allocateOutput(name: string): void
  /** @throws NativeError REFUSED before a run has told the shape. */
  allocated(name: string): { address: number; sizeBytes: number; shape: number[] }
  setDeviceMemory(address: number, sizeBytes: number): void
  memoryForShapes(): number
  setAuxStreams(streams: readonly number[]): void
  setPersistentCacheLimit(sizeBytes: number): void
  setInputConsumedEvent(event: number): void
  setNvtxVerbosity(verbosity: string): void
  /** In the calling thread, which takes long for the first run of a shape. */
  enqueue(stream: number): void
  enqueueInThread(stream: number): Promise<void>
  profile(on: boolean): void
  /** What the last run's layers took; empty where it was not profiled. */
  reportProfile(): { name: string; ms: number }[]
  /** As the engine's, with the current shapes. */
  inspect(format: InspectorFormat): string
  /** Resolves when it is freed, after what it still does in its engine's thread. */
  dispose(): Promise<void>
}

/** The addon, loaded when it is first asked for. @throws BackendError BACKEND_UNAVAILABLE when it does not load. */
export function loadAddon(): NativeAddon {
  const file = `../prebuilt/${process.platform}-${process.arch}/lowlat_trt.node`
  const path = addonKnob.read() || fileURLToPath(new URL(file, import.meta.url))
  try {
    return createRequire(import.meta.url)(path) as NativeAddon
  } catch (cause) {
    throw new BackendError('BACKEND_UNAVAILABLE', {
      message: `The native addon of the TensorRT backend cannot be loaded: ${messageOf(cause).split('\n')[0]}.`,
      remedy:
        process.platform === 'linux' && process.arch === 'x64'
          ? 'Install @lowlat/backend-trt again; in a checkout, build it with g++: npx pnpm@10 build:native.'
          : `It is there for Linux on x64, and this is ${process.platform} on ${process.arch}: use another backend.`,
      received: path,
      cause,
    })
  }
}
