import type { CudaContext } from './context.ts'
import { NativeObject } from './native-object.ts'

const DEFAULT_STREAM = 0

/** A region of a device's memory. */
export class DeviceMemory extends NativeObject {
  readonly sizeBytes: number

  /** @throws BackendError OUT_OF_MEMORY. */
  constructor(context: CudaContext, sizeBytes: number) {
    // The driver allocates no empty regions; an address is wanted all the same.
    super(context, 'deviceMemory', 'cuMemFree_v2', context.out64('cuMemAlloc_v2', Math.max(1, sizeBytes)))
    this.sizeBytes = sizeBytes
  }

  /** As the GPU sees it. */
  get address(): number {
    return this.handle
  }

  /** Copies from ordinary memory, blocking until it is done. */
  write(bytes: Uint8Array, offsetBytes = 0): void {
    this.#check(offsetBytes, bytes.byteLength)
    if (bytes.byteLength === 0) return
    this.context.call('cuMemcpyHtoD_v2', this.address + offsetBytes, bytes, bytes.byteLength)
    // That call returns once the bytes are staged; other streams do not wait for the rest of their way.
    this.context.call('cuStreamSynchronize', DEFAULT_STREAM)
  }

  /** Copies to ordinary memory, blocking until it is done. */
  read(offsetBytes = 0, sizeBytes = this.sizeBytes - offsetBytes): Uint8Array {
    this.#check(offsetBytes, sizeBytes)
    const bytes = new Uint8Array(new ArrayBuffer(sizeBytes))
    if (sizeBytes > 0) this.context.call('cuMemcpyDtoH_v2', bytes, this.address + offsetBytes, sizeBytes)
    return bytes
  }

  #check(offsetBytes: number, sizeBytes: number): void {
    if (offsetBytes >= 0 && sizeBytes >= 0 && offsetBytes + sizeBytes <= this.sizeBytes) return
    throw new RangeError(`Bytes ${offsetBytes} to ${offsetBytes + sizeBytes} of ${this.sizeBytes} of device memory.`)
  }
}
