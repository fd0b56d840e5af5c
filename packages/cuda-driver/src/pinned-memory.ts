import type { CudaContext } from './context.ts'
import { NativeObject } from './native-object.ts'

const DEVICE_MAP = 2 // CU_MEMHOSTALLOC_DEVICEMAP

/**
 * Host memory that stays in place, so that the GPU copies it without the CPU and kernels reach it directly. `buffer` is
 * that memory itself, not a copy.
 *
 * The memory lives until `dispose`, whatever else refers to it: afterwards neither `buffer` nor any array over it may be
 * touched, since JavaScript cannot take an ArrayBuffer away. Keep such arrays to yourself and hand out copies.
 */
export class PinnedMemory extends NativeObject {
  readonly sizeBytes: number
  /** The same memory as kernels see it. */
  readonly deviceAddress: number
  readonly #buffer: ArrayBuffer

  /** @throws BackendError OUT_OF_MEMORY; what koffi throws where the runtime allows no views (Electron). */
  constructor(context: CudaContext, sizeBytes: number) {
    super(context, 'pinnedMemory', 'cuMemFreeHost', context.out64('cuMemHostAlloc', Math.max(1, sizeBytes), DEVICE_MAP))
    this.sizeBytes = sizeBytes
    try {
      this.deviceAddress = context.out64('cuMemHostGetDevicePointer_v2', this.handle, 0)
      this.#buffer = context.library.view(this.handle, Math.max(1, sizeBytes))
    } catch (error) {
      this.dispose()
      throw error
    }
  }

  /** Where it is in this process. @throws DisposedError. */
  get address(): number {
    return this.handle
  }

  /** The memory; not to be used after `dispose`. @throws DisposedError. */
  get buffer(): ArrayBuffer {
    void this.handle
    return this.#buffer
  }

  /** A part of the memory as bytes; not to be used after `dispose`. @throws DisposedError. */
  bytes(offsetBytes = 0, sizeBytes = this.sizeBytes - offsetBytes): Uint8Array {
    return new Uint8Array(this.buffer, offsetBytes, sizeBytes)
  }
}
