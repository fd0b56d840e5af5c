import type { CudaContext } from './context.ts'
import type { CudaEvent } from './event.ts'
import { CudaGraph } from './graph.ts'
import { NativeObject } from './native-object.ts'
import { cuResult } from './results.ts'

const NON_BLOCKING = 1 // CU_STREAM_NON_BLOCKING
const CAPTURE_THREAD_LOCAL = 1 // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
const WITH_MEMORY_BARRIER = 0 // CU_STREAM_WRITE_VALUE_DEFAULT

/** Work on a device that happens in order. All methods return at once unless they say otherwise. */
export class CudaStream extends NativeObject {
  /** @throws BackendError. */
  constructor(context: CudaContext) {
    super(context, 'stream', 'cuStreamDestroy_v2', context.out64('cuStreamCreateWithPriority', NON_BLOCKING, 0))
  }

  /** Copies from pinned host memory; both addresses in bytes. */
  copyToDevice(to: number, from: number, sizeBytes: number): void {
    if (sizeBytes > 0) this.context.call('cuMemcpyHtoDAsync_v2', to, from, sizeBytes, this.handle)
  }

  /** Copies to pinned host memory. */
  copyToHost(to: number, from: number, sizeBytes: number): void {
    if (sizeBytes > 0) this.context.call('cuMemcpyDtoHAsync_v2', to, from, sizeBytes, this.handle)
  }

  copyOnDevice(to: number, from: number, sizeBytes: number): void {
    if (sizeBytes > 0) this.context.call('cuMemcpyDtoDAsync_v2', to, from, sizeBytes, this.handle)
  }

  /** Sets every byte. */
  fill(address: number, byte: number, sizeBytes: number): void {
    if (sizeBytes > 0) this.context.call('cuMemsetD8Async', address, byte, sizeBytes, this.handle)
  }

  /**
   * Writes 32 bits, of which the host and other streams see all or nothing, after everything before it has become visible
   * to them. A capture keeps the value.
   * @param address of device memory, or of pinned memory as the GPU sees it; a multiple of 4.
   */
  writeValue32(address: number, value: number): void {
    this.context.call('cuStreamWriteValue32_v2', this.handle, address, value >>> 0, WITH_MEMORY_BARRIER)
  }

  record(event: CudaEvent): void {
    this.context.call('cuEventRecord', event.handle, this.handle)
  }

  /** What follows waits for the event. */
  wait(event: CudaEvent): void {
    this.context.call('cuStreamWaitEvent', this.handle, event.handle, 0)
  }

  /** Whether everything so far is done. @throws BackendError where it failed. */
  query(): boolean {
    const result = this.context.try('cuStreamQuery', this.handle)
    if (result === cuResult.notReady) return false
    this.context.check('cuStreamQuery', result)
    return true
  }

  /** Waits, blocking the thread. @throws BackendError where the work failed. */
  synchronize(): void {
    this.context.call('cuStreamSynchronize', this.handle)
  }

  /**
   * What `record` gives to this stream, recorded instead of run. Calls that are not allowed meanwhile fail.
   * @throws whatever `record` throws; BackendError.
   */
  capture(record: () => void): CudaGraph {
    this.context.call('cuStreamBeginCapture_v2', this.handle, CAPTURE_THREAD_LOCAL)
    try {
      record()
    } catch (error) {
      this.#abandonCapture()
      throw error
    }
    const graph = new BigUint64Array(1)
    this.context.call('cuStreamEndCapture', this.handle, graph)
    return new CudaGraph(this.context, Number(graph[0]))
  }

  /** The stream must leave the capture, whose own failure is a consequence of the one that led here. */
  #abandonCapture(): void {
    const { library } = this.context
    const graph = new BigUint64Array(1)
    library.try('cuStreamEndCapture', this.handle, graph)
    if (graph[0] !== 0n) library.try('cuGraphDestroy', graph[0]!)
  }
}
