import { type Completed, Completion } from './completion.ts'
import type { DeviceProperties } from './device.ts'
import { DeviceMemory } from './device-memory.ts'
import { CudaEvent } from './event.ts'
import type { CallArgument, CallName, CudaLibrary } from './library.ts'
import { CudaModule } from './module.ts'
import type { ObjectCounts, ObjectKind } from './native-object.ts'
import { PinnedMemory } from './pinned-memory.ts'
import { cuResult, isLost } from './results.ts'
import { CudaStream } from './stream.ts'

/**
 * The primary context of a device, which every library in the process shares. The driver's current context belongs to a
 * thread: each call here makes this one current first.
 */
export class CudaContext implements Disposable {
  readonly device: DeviceProperties
  readonly library: CudaLibrary
  readonly #handle: number
  readonly #counts: Record<ObjectKind, number> = {
    stream: 0,
    event: 0,
    deviceMemory: 0,
    pinnedMemory: 0,
    module: 0,
    graph: 0,
    graphExec: 0,
  }
  readonly #completion: Completion
  #lost = false
  #disposed = false

  /** @throws BackendError. */
  constructor(library: CudaLibrary, device: DeviceProperties) {
    this.library = library
    this.device = device
    this.#handle = library.out64('cuDevicePrimaryCtxRetain', device.ordinal)
    this.#completion = new Completion(this)
  }

  /** Native objects that were made here and not disposed. */
  get counts(): ObjectCounts {
    return { ...this.#counts }
  }

  /** CUcontext, for libraries that make it current themselves. */
  get handle(): number {
    return this.#handle
  }

  /** Whether a call reported a failure after which CUDA cannot be used again in this process. */
  get lost(): boolean {
    return this.#lost
  }

  /** @throws BackendError. */
  call(name: CallName, ...parameters: CallArgument[]): void {
    this.check('cuCtxSetCurrent', this.library.try('cuCtxSetCurrent', this.#handle))
    this.check(name, this.library.try(name, ...parameters))
  }

  /** Calls what writes a 64-bit integer to its first parameter. @throws BackendError. */
  out64(name: CallName, ...rest: CallArgument[]): number {
    this.call(name, out, ...rest)
    return Number(out[0])
  }

  /** As {@link out64}, for 32 bits. */
  out32(name: CallName, ...rest: CallArgument[]): number {
    this.call(name, out, ...rest)
    return outView.getInt32(0, true)
  }

  /** As {@link out64}, for a float. */
  outFloat(name: CallName, ...rest: CallArgument[]): number {
    this.call(name, out, ...rest)
    return outView.getFloat32(0, true)
  }

  /** The CUresult of a call for which some failures are answers. @throws BackendError for a lost device. */
  try(name: CallName, ...parameters: CallArgument[]): number {
    this.check('cuCtxSetCurrent', this.library.try('cuCtxSetCurrent', this.#handle))
    const result = this.library.try(name, ...parameters)
    if (isLost(result)) this.check(name, result)
    return result
  }

  /** @throws BackendError for every result but success. */
  check(call: string, result: number, about?: string): void {
    if (result === cuResult.success) return
    if (isLost(result)) this.#lost = true
    throw this.library.error(call, result, about)
  }

  /**
   * Frees a native object. Of a lost device nothing can be freed but by ending the process, so that failures say nothing
   * new. @throws BackendError.
   */
  release(name: CallName, handle: number): void {
    const current = this.library.try('cuCtxSetCurrent', this.#handle)
    const result = this.library.try(name, handle)
    this.#checkRelease('cuCtxSetCurrent', current)
    this.#checkRelease(name, result)
  }

  #checkRelease(name: CallName, result: number): void {
    if (this.#lost || result === cuResult.success || result === cuResult.deinitialized) return // the process is ending
    if (isLost(result)) this.#lost = true
    else throw this.library.error(name, result)
  }

  count(kind: ObjectKind, change: 1 | -1): void {
    this.#counts[kind] += change
  }

  /** A stream that does not wait for the default stream. */
  createStream(): CudaStream {
    return new CudaStream(this)
  }

  /** @param timing whether `elapsedUs` can be asked of it. */
  createEvent(timing = true): CudaEvent {
    return new CudaEvent(this, timing)
  }

  /** Device memory, of undefined content, aligned to 256 bytes. @throws BackendError OUT_OF_MEMORY. */
  allocate(sizeBytes: number): DeviceMemory {
    return new DeviceMemory(this, sizeBytes)
  }

  /** Host memory that the GPU reads and writes directly, of undefined content. @throws BackendError OUT_OF_MEMORY. */
  allocatePinned(sizeBytes: number): PinnedMemory {
    return new PinnedMemory(this, sizeBytes)
  }

  /** Loads a cubin, fatbin or PTX text. @throws BackendError BACKEND_UNAVAILABLE for code for other GPUs. */
  loadModule(image: Uint8Array): CudaModule {
    return new CudaModule(this, image)
  }

  /** Free and total device memory now, all processes counted. */
  memoryInfo(): { freeBytes: number; totalBytes: number } {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)]
    this.call('cuMemGetInfo_v2', free, total)
    return { freeBytes: Number(free[0]), totalBytes: Number(total[0]) }
  }

  /** Waits, blocking the thread, for everything that was given to the device. */
  synchronize(): void {
    this.call('cuCtxSynchronize')
  }

  /**
   * Resolves once the GPU has written a sequence number to pinned memory, without blocking the event loop.
   * @throws (as rejection) BackendError when the work of the stream failed.
   */
  waitFor(completed: Completed): Promise<void> {
    return this.#completion.waitFor(completed)
  }

  /** Lets go of the context; objects made in it must have been disposed. Safe to call again. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    const { library, device } = this
    this.#checkRelease('cuDevicePrimaryCtxRelease_v2', library.try('cuDevicePrimaryCtxRelease_v2', device.ordinal))
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** Where synchronous calls put what they return. */
const out = new BigUint64Array(new ArrayBuffer(8))
const outView = new DataView(out.buffer)
