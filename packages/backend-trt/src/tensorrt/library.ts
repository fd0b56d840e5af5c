import { AbortError, DisposedError, throwIfAborted, workAborted } from '@lowlat/core'
import type { CudaContext } from '@lowlat/cuda-driver'
import type {
  BuildEvent,
  BuildRequest,
  BuildResult,
  LogMessage,
  ModelBytes,
  NativeLibrary,
  Severity,
  SupportReport,
} from '../native.ts'
import { awaiting, calling } from '../native-error.ts'
import { TensorRtEngine } from './engine.ts'

/** {@link BuildRequest} with what has a usual value left out. */
export interface BuildOptions extends Partial<Omit<BuildRequest, 'model' | 'cudaContext'>> {
  readonly cuda: CudaContext
  /** Cancels the build where TensorRT next asks whether to go on. */
  readonly signal?: AbortSignal | undefined
  /** Told about phases, their steps, and what is logged. What it throws, or rejects with until then, ends the build. */
  readonly onEvent?: ((event: BuildEvent) => void) | undefined
}

export interface DeserializeOptions {
  readonly cuda: CudaContext
  /** Lets the plan bring code for the host, as version-compatible plans do: only for plans that are trusted. */
  readonly hostCodeAllowed?: boolean
  readonly onLog?: ((message: LogMessage) => void) | undefined
  readonly logSeverity?: Severity
}

/** What is left out of {@link BuildOptions}. */
export const usualRequest = {
  stronglyTyped: true,
  flags: [],
  networkFlags: [],
  parserFlags: [],
  memoryPools: {},
  profiles: [],
  useTimingCache: false,
  pluginLibraries: [],
} as const satisfies Partial<BuildRequest>

/** What errors say was aborted. */
const WORK = 'Building the engine'

/**
 * TensorRT, opened: IBuilder, INetworkDefinition, IBuilderConfig, the ONNX parser and IRuntime behind three calls, each on
 * a thread of its own. What TensorRT refuses is a LowlatError with its log.
 */
export class TensorRt {
  readonly #library: NativeLibrary
  #closed = false

  /** Use `openTensorRt`. */
  constructor(library: NativeLibrary) {
    this.#library = library
  }

  /** Of libnvinfer: '10.13.2'. */
  get version(): string {
    const { major, minor, patch } = this.#library.version
    return `${major}.${minor}.${patch}`
  }

  get major(): number {
    return this.#library.version.major
  }

  /** Where libnvinfer was loaded from. */
  get path(): string {
    return this.#library.path
  }

  /** Of the ONNX parser, as it numbers itself; undefined until it was needed. */
  get parserVersion(): number | undefined {
    return calling(() => this.#open.parserVersion)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Registers TensorRT's own plugins (initLibNvInferPlugins). @throws BackendError BACKEND_UNAVAILABLE. */
  initPlugins(): boolean {
    return calling(() => this.#open.initPlugins())
  }

  /** Registers the plugins of a library (IPluginRegistry::loadLibrary), once in the process. @throws ConfigError CONFIG_INVALID. */
  loadPluginLibrary(path: string): void {
    calling(() => this.#open.loadPluginLibrary(path))
  }

  /** Which nodes of a model the parser takes (IParser::supportsModelV2). @throws (as rejection) BackendError. */
  supports(model: ModelBytes): Promise<SupportReport> {
    return awaiting(() => this.#open.supports(model))
  }

  /**
   * Parses the model and builds a plan (buildSerializedNetwork). The model's bytes must not change meanwhile.
   * @throws (as rejection) ModelError MODEL_UNSUPPORTED with the parser's errors or the builder's log; ConfigError for
   * flags and profiles; BackendError OUT_OF_MEMORY; AbortError; whatever `onEvent` throws.
   */
  async build(model: ModelBytes, options: BuildOptions): Promise<BuildResult> {
    const { cuda, signal, onEvent, ...rest } = options
    throwIfAborted(signal, WORK)
    const request: BuildRequest = { ...usualRequest, ...rest, model, cudaContext: cuda.handle }
    let listenerFailed: { readonly error: unknown } | undefined
    let ended = false
    const fail = (error: unknown) => {
      if (ended) throw error // too late for the build: a rejection that nobody handles
      listenerFailed ??= { error }
      job.cancel()
    }
    const job = calling(() =>
      this.#open.build(request, (event) => {
        if (listenerFailed) return
        try {
          const answer: unknown = onEvent?.(event)
          if (answer instanceof Promise) answer.catch(fail)
        } catch (error) {
          fail(error)
        }
      }),
    )
    const cancel = () => job.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      const result = await awaiting(job.done)
      if (listenerFailed) throw listenerFailed.error
      return result
    } catch (error) {
      if (listenerFailed) throw listenerFailed.error
      if (signal?.aborted && error instanceof AbortError) throw workAborted(signal, WORK)
      throw error
    } finally {
      ended = true
      signal?.removeEventListener('abort', cancel)
    }
  }

  /**
   * Makes an engine of a plan in memory or a file (IRuntime::deserializeCudaEngine).
   * @throws (as rejection) BackendError RUN_FAILED for what TensorRT refuses; OUT_OF_MEMORY.
   */
  async deserialize(
    plan: Uint8Array | { readonly path: string },
    { cuda, onLog = () => {}, ...rest }: DeserializeOptions,
  ): Promise<TensorRtEngine> {
    const engine = await awaiting(() => this.#open.deserialize(plan, { ...rest, cudaContext: cuda.handle, onLog }))
    return new TensorRtEngine(engine)
  }

  /** Lets go of the libraries. @throws BackendError while builds run or engines are alive. */
  close(): void {
    if (this.#closed) return
    calling(() => this.#library.close())
    this.#closed = true
  }

  get #open(): NativeLibrary {
    if (!this.#closed) return this.#library
    throw new DisposedError({ message: 'This TensorRT was closed.', remedy: 'Open it again: openTensorRt().' })
  }
}
