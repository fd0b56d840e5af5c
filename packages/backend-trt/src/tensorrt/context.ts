import type { Shape } from '@lowlat/core'
import type { CudaEvent, CudaStream } from '@lowlat/cuda-driver'
import type { NativeContext } from '../native.ts'
import { awaiting, calling } from '../native-error.ts'

/** Time of one layer in one run. */
export interface LayerTime {
  readonly name: string
  readonly ms: number
}

/** An output of a size that TensorRT found, in memory that the context keeps until the next run. */
export interface AllocatedOutput {
  /** Of device memory. */
  readonly address: number
  readonly sizeBytes: number
  /** Null until a run has told it. */
  readonly shape: number[] | null
}

/**
 * IExecutionContext: the state of one run at a time. Profile first, then shapes, addresses, and `enqueue`. Every call
 * throws BackendError RUN_FAILED with TensorRT's log for what it refuses; a context has to be disposed.
 */
export class TensorRtContext implements AsyncDisposable {
  readonly #context: NativeContext

  constructor(context: NativeContext) {
    this.#context = context
  }

  /** Takes effect in the order of the stream; shapes and addresses have to be set again. */
  setProfile(index: number, stream: CudaStream): void {
    calling(() => this.#context.setProfile(index, stream.handle))
  }

  /** As {@link setProfile}, in a thread of the addon: it may take milliseconds. */
  setProfileInThread(index: number, stream: CudaStream): Promise<void> {
    return awaiting(() => this.#context.setProfileInThread(index, stream.handle))
  }

  /** @throws BackendError RUN_FAILED for a shape outside of the profile. */
  setInputShape(name: string, shape: Shape): void {
    calling(() => this.#context.setInputShape(name, shape))
  }

  /** Propagates the shapes of the inputs. @returns names of inputs that still lack a shape or values. */
  inferShapes(): string[] {
    return calling(() => this.#context.inferShapes())
  }

  /** Of an input or output under the current shapes; -1 for what depends on data. */
  shapeOf(name: string): number[] {
    return calling(() => this.#context.shapeOf(name))
  }

  /** In elements. */
  stridesOf(name: string): number[] {
    return calling(() => this.#context.stridesOf(name))
  }

  /** Upper bound of an output's size under the current shapes. */
  maxOutputBytes(name: string): number {
    return calling(() => this.#context.maxOutputBytes(name))
  }

  /** Of device memory, or of pinned memory for a tensor that lies on the host. */
  setAddress(name: string, address: number): void {
    calling(() => this.#context.setAddress(name, address))
  }

  /** Lets TensorRT ask for memory when it knows the size of an output (IOutputAllocator). */
  allocateOutput(name: string): void {
    calling(() => this.#context.allocateOutput(name))
  }

  /** What the last run put into an output of {@link allocateOutput}, once the stream has come that far. */
  allocated(name: string): AllocatedOutput {
    return calling(() => this.#context.allocated(name))
  }

  /** Memory to work in, for a context that has none of its own. */
  setDeviceMemory(address: number, sizeBytes: number): void {
    calling(() => this.#context.setDeviceMemory(address, sizeBytes))
  }

  /** How much memory the current shapes need, which may be less than the profile does. */
  memoryForShapes(): number {
    return calling(() => this.#context.memoryForShapes())
  }

  /** Streams to use beside that of `enqueue`, instead of TensorRT's own. */
  setAuxStreams(streams: readonly CudaStream[]): void {
    calling(() => this.#context.setAuxStreams(streams.map(({ handle }) => handle)))
  }

  /** Of L2 cache that activations may be kept in. */
  setPersistentCacheLimit(sizeBytes: number): void {
    calling(() => this.#context.setPersistentCacheLimit(sizeBytes))
  }

  /** Recorded when the inputs were read, so that they can be written for the next run. */
  setInputConsumedEvent(event: CudaEvent): void {
    calling(() => this.#context.setInputConsumedEvent(event.handle))
  }

  /** What NVIDIA's tools show of a run: 'LAYER_NAMES_ONLY', 'NONE' or 'DETAILED'. */
  setNvtxVerbosity(verbosity: string): void {
    calling(() => this.#context.setNvtxVerbosity(verbosity))
  }

  /** Gives a run to the stream (enqueueV3) in the calling thread: tens of microseconds to milliseconds. */
  enqueue(stream: CudaStream): void {
    calling(() => this.#context.enqueue(stream.handle))
  }

  /** As {@link enqueue}, in a thread of the addon; resolves once it is given to the stream. */
  enqueueInThread(stream: CudaStream): Promise<void> {
    return awaiting(() => this.#context.enqueueInThread(stream.handle))
  }

  /** Measures the layers of the runs that follow (IProfiler), which makes them slower. */
  setProfiling(on: boolean): void {
    calling(() => this.#context.profile(on))
  }

  /** The times of the last run, once the stream has come that far (reportToProfiler). */
  reportProfile(): LayerTime[] {
    return calling(() => this.#context.reportProfile())
  }

  /** What IEngineInspector says about the engine, with what this context has chosen. */
  inspect(format: 'json' | 'oneline' = 'json'): string {
    return calling(() => this.#context.inspect(format))
  }

  /** To be called when nothing of it runs on the device any more. Resolves once it is gone. Safe to call again. */
  dispose(): Promise<void> {
    return awaiting(() => this.#context.dispose())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }
}
