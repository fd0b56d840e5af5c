import { BackendError } from '@lowlat/core'
import { acquire, type CudaStream, type DeviceMemory, type PinnedMemory, type Resources } from '@lowlat/cuda-driver'
import { statusBuffer, statusText } from '../program/status.ts'

const CONTROL_BYTES = 256
const COUNTER_OFFSET = 0
const STATUS_OFFSET = 128

/** What kernels note in device memory beside their results: how many runs have ended, and the status of the current one. */
export class RunControl implements Disposable {
  readonly #stream: CudaStream
  readonly #control: DeviceMemory
  readonly #downloaded: PinnedMemory
  readonly #status: Int32Array
  readonly #resources: Resources

  /** @throws BackendError OUT_OF_MEMORY and others; nothing is kept then. */
  constructor(stream: CudaStream) {
    const { context } = stream
    const parts = acquire((resources) => {
      const control = resources.own(context.allocate(CONTROL_BYTES))
      const downloaded = resources.own(context.allocatePinned(statusBuffer.sizeBytes))
      const status = new Int32Array(downloaded.buffer, 0, 1)
      control.write(new Uint8Array(CONTROL_BYTES))
      status.fill(0)
      return { control, downloaded, status, resources }
    })
    this.#stream = stream
    this.#control = parts.control
    this.#downloaded = parts.downloaded
    this.#status = parts.status
    this.#resources = parts.resources
  }

  /** Where the signal kernel counts: uint32 [1], 0 at first. */
  get counterAddress(): number {
    return this.#control.address + COUNTER_OFFSET
  }

  /** Of {@link statusBuffer}. */
  get statusAddress(): number {
    return this.#control.address + STATUS_OFFSET
  }

  clearStatus(): void {
    this.#stream.fill(this.statusAddress, 0, statusBuffer.sizeBytes)
  }

  downloadStatus(): void {
    this.#stream.copyToHost(this.#downloaded.address, this.statusAddress, statusBuffer.sizeBytes)
  }

  /** @throws BackendError RUN_FAILED for what kernels reported in the last run. */
  checkStatus(): void {
    const status = this.#status[0]!
    if (status === 0) return
    throw new BackendError('RUN_FAILED', {
      message: `The run failed: ${statusText[status] ?? `kernels reported status ${status}`}.`,
      remedy: 'Check the values of the inputs (indices in range, lengths above 0); the session goes on working.',
      received: status,
    })
  }

  dispose(): void {
    this.#resources.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
