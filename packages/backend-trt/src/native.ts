import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { BackendError, messageOf, stringKnob } from '@lowlat/core'

/*
 * The interface of the addon. Addresses, streams and CUDA contexts are numbers: user space lies below 2^47. What is
 * thrown, and what promises reject with, is a NativeError.
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
  readonly parserVersion?: number
  initPlugins(): boolean
  /** @throws NativeError PLUGIN_FAILED. */
  loadPluginLibrary(path: string): void
  build(request: BuildRequest, onEvent: (event: BuildEvent) => void): NativeJob<BuildResult>
  supports(model: ModelBytes): Promise<SupportReport>
  deserialize(plan: Uint8Array | { readonly path: string }, options: DeserializeOptions): Promise<NativeEngine>
  /** @throws while jobs, engines or contexts are alive. */
  close(): void
}

export interface DeserializeOptions {
  readonly cudaContext: number
  /** Lets the plan bring code for the host, as version-compatible plans do. */
  readonly hostCodeAllowed?: boolean
  readonly onLog: (message: LogMessage) => void
}

export interface NativeJob<T> {
  readonly done: Promise<T>
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
  readonly profiles: readonly Readonly<Record<string, ProfileRange>>[]
  readonly timingCache?: Uint8Array
  readonly useTimingCache: boolean
  /** Serialised with the plan. */
  readonly pluginLibraries: readonly string[]
}

export interface ProfileRange {
  readonly min: readonly number[]
  readonly opt: readonly number[]
  readonly max: readonly number[]
  /** The values of a shape tensor instead of dimensions. */
  readonly values?: boolean
}

export type BuildEvent =
  | ({ readonly kind: 'log' } & LogMessage)
  | { readonly kind: 'phase-start'; readonly phase: string; readonly parent?: string; readonly steps: number }
  | { readonly kind: 'step'; readonly phase: string; readonly step: number }
  | { readonly kind: 'phase-end'; readonly phase: string }

export interface BuildResult {
  readonly plan: Uint8Array
  readonly timingCache?: Uint8Array
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
  readonly format: string
}

export interface NativeEngine {
  readonly name: string
  readonly layers: number
  readonly profiles: number
  readonly auxStreams: number
  readonly refittable: boolean
  readonly hardwareCompatibility: string
  readonly tensors: readonly TensorDescription[]
  profileShape(tensor: string, profile: number): { min: number[]; opt: number[]; max: number[] }
  /** Of one context; for all profiles where none is named. */
  deviceMemoryBytes(profile?: number): number
  weightStreaming(): WeightStreaming
  setWeightStreamingBudget(sizeBytes: number): void
  inspect(format: InspectorFormat): string
  inspectLayer(index: number, format: InspectorFormat): string
  serialize(flags?: readonly string[]): Uint8Array
  refit(model: ModelBytes): Promise<{ missing: string[] }>
  createContext(options: { readonly memory: ContextMemory }): Promise<NativeContext>
  /** @throws while contexts are alive. */
  dispose(): void
}

export interface WeightStreaming {
  /** Of the weights that can stay on the host. */
  readonly streamableBytes: number
  /** Device memory that weights may take. */
  readonly budgetBytes: number
  readonly scratchBytes: number
}

export type InspectorFormat = 'json' | 'oneline'

/** Whose device memory a context works in: its own, one that grows with the profile, or what it is given. */
export type ContextMemory = 'own' | 'user' | 'on-profile-change'

export interface NativeContext {
  setProfile(index: number, stream: number): void
  setInputShape(name: string, shape: readonly number[]): void
  /** Names of inputs that still lack a shape or an address. */
  inferShapes(): string[]
  /** -1 for sizes that depend on data. */
  shapeOf(name: string): number[]
  stridesOf(name: string): number[]
  maxOutputBytes(name: string): number
  /** Of device memory; of pinned memory for a tensor that lies on the host. */
  setAddress(name: string, address: number): void
  allocateOutput(name: string): void
  allocated(name: string): { address: number; sizeBytes: number; shape: number[] }
  setDeviceMemory(address: number, sizeBytes: number): void
  memoryForShapes(): number
  setAuxStreams(streams: readonly number[]): void
  setPersistentCacheLimit(sizeBytes: number): void
  setInputConsumedEvent(event: number): void
  setNvtxVerbosity(verbosity: string): void
  enqueue(stream: number): void
  enqueueInThread(stream: number): Promise<void>
  profile(on: boolean): void
  reportProfile(): { name: string; ms: number }[]
  dispose(): void
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
