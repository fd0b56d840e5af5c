/**
 * The contract between lowlat and a backend. A backend turns a model into a {@link Plan} (slow, cacheable bytes), a
 * plan into an {@link Engine} (immutable, shared), and an engine into {@link ExecutionContext}s (mutable, one request
 * at a time). Sessions, pipelines and batching are built on these three alone.
 */
import type { DType } from './dtype.ts'
import type { Shape, Tensor } from './tensor.ts'

/** An axis of a tensor: its size, or the name of a size that is known only at run time ('batch', 'height'). */
export type Dim = number | string

export interface TensorInfo {
  readonly name: string
  readonly dtype: DType
  /** Empty for scalars; an axis without a size or name in the model gets a generated name ('input_0'). */
  readonly shape: readonly Dim[]
}

export type Feeds = Readonly<Record<string, Tensor>>
export type Fetches = Readonly<Record<string, Tensor>>

export interface ShapeRange {
  readonly min: Shape
  readonly opt: Shape
  readonly max: Shape
}

/** The shapes that an engine is prepared for, per input. Inside `min`..`max` a run never rebuilds anything. */
export type OptimizationProfile = Readonly<Record<string, ShapeRange>>

/** Where a model comes from: a file that is opened only when needed, or ONNX bytes in memory. */
export type ModelSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly name?: string }

/** 'model' runs what the file says: float32, float16, or INT8 through its Q/DQ nodes. */
export type Precision = 'model' | 'fp32' | 'fp16' | 'int8'

export interface CompileOptions {
  readonly precision: Precision
  readonly profiles: readonly OptimizationProfile[]
  /** Options of this backend alone, validated by it. */
  readonly backendOptions: Readonly<Record<string, unknown>>
  /** An empty folder on the disk of the plan cache, for the plan's payload; owned and removed by the caller. */
  readonly workFolder: string
  readonly signal?: AbortSignal
}

/** A compiled model: what `load` needs, and nothing that is tied to this process. */
export interface Plan {
  /** Name of the backend that made it, and the only one that can load it. */
  readonly backend: string
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  readonly profiles: readonly OptimizationProfile[]
  /** Facts that the backend needs beside the payload; JSON. */
  readonly metadata: Readonly<Record<string, unknown>>
  readonly payload: PlanPayload
  /** Files beside the model that went into the plan (external weights); the plan is stale once one of them changes. */
  readonly dependencies?: readonly FileStamp[]
}

/** Identity of a file's content without reading it. */
export interface FileStamp {
  readonly path: string
  readonly sizeBytes: number
  /** Modification time in nanoseconds, as a decimal string. */
  readonly modifiedNs: string
}

/**
 * Bytes in memory, or a file of exactly those bytes, which a backend may map instead of reading. The file is named
 * {@link payloadFileName}.
 */
export type PlanPayload =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly path: string }

export interface DeviceInfo {
  readonly name: string
  readonly memoryBytes?: number
  readonly details?: Readonly<Record<string, unknown>>
}

export type Probe =
  | { readonly available: true; readonly devices: readonly DeviceInfo[] }
  | {
      readonly available: false
      readonly reason: string
      readonly remedy: string
      readonly devices: readonly DeviceInfo[]
    }

export interface LoadOptions {
  /** Contexts that the session is going to create, where the user said so. */
  readonly contexts?: number
  readonly backendOptions: Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal
}

export interface Backend {
  readonly name: string
  /** Says whether the backend can run here; never throws and never loads native code into a failing state. */
  probe(): Promise<Probe>
  compile(model: ModelSource, options: CompileOptions): Promise<Plan>
  load(plan: Plan, options: LoadOptions): Promise<Engine>
  /**
   * Whatever a plan depends on beside the model, the precision and the profiles: those backend options that matter, the
   * library's version, hardware, driver. Part of the plan cache's key. A backend without it has plans that are not
   * worth caching.
   */
  planKey?(options: Omit<CompileOptions, 'workFolder'>): Promise<Readonly<Record<string, unknown>>>
}

export interface Engine extends AsyncDisposable {
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  readonly profiles: readonly OptimizationProfile[]
  /** How many contexts keep the hardware busy under these options; 1 when absent. */
  readonly preferredContexts?: number
  createContext(): Promise<ExecutionContext>
  /**
   * Called once, after the warm-up ran the largest shapes that can be asked for: every profile's `opt` and `max`, or
   * the fixed shapes of the model. Lets an engine settle what only running can tell (for instance where to run).
   * Contexts stay valid.
   */
  warmedUp?(): Promise<void>
  inspect?(): EngineReport
}

export interface EngineReport {
  readonly backend: string
  /** Facts about how the engine runs: threads, placement, memory. */
  readonly properties: Readonly<Record<string, unknown>>
  readonly layers?: readonly LayerReport[]
}

export interface LayerReport {
  readonly name: string
  readonly operator: string
  readonly precision?: string
  readonly tactic?: string
}

/** Time spans that a run reports to its request's timeline. */
export type Segment = 'queue' | 'preprocess' | 'h2d' | 'compute' | 'd2h' | 'postprocess' | 'eventLoop'

/** Receives spans in microseconds of the monotonic clock ({@link monotonicUs}). */
export interface SpanSink {
  span(segment: Segment, startUs: number, endUs: number, label?: string): void
}

export interface RunOptions {
  /** Outputs to compute and return; all when absent. */
  readonly outputs?: readonly string[]
  readonly timeline?: SpanSink
}

export interface ExecutionContext extends AsyncDisposable {
  /**
   * Runs one request; feeds were checked against the engine's inputs and profiles. Reads the feeds before the returned
   * promise settles, never keeps, detaches or writes them; the fetches belong to the caller. Never blocks the event
   * loop for longer than the backend's documented inline limit. Not re-entrant: one run at a time.
   */
  run(feeds: Feeds, options?: RunOptions): Promise<Fetches>
  /** Per-layer times of `runs` runs, where the backend can measure them. */
  profile?(feeds: Feeds, runs: number): Promise<readonly LayerTiming[]>
}

export interface LayerTiming {
  readonly name: string
  readonly operator: string
  readonly meanUs: number
  readonly calls: number
}
