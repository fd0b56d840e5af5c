import type { CudaContext } from './context.ts'
import { NativeObject } from './native-object.ts'
import { cuResult } from './results.ts'

const DISABLE_TIMING = 2 // CU_EVENT_DISABLE_TIMING

/** A point in a stream. */
export class CudaEvent extends NativeObject {
  /** @throws BackendError. */
  constructor(context: CudaContext, timing: boolean) {
    super(context, 'event', 'cuEventDestroy_v2', context.out64('cuEventCreate', timing ? 0 : DISABLE_TIMING))
  }

  /** Whether the stream has come that far. */
  query(): boolean {
    const result = this.context.try('cuEventQuery', this.handle)
    if (result === cuResult.notReady) return false
    this.context.check('cuEventQuery', result)
    return true
  }

  /** Waits, blocking the thread. */
  synchronize(): void {
    this.context.call('cuEventSynchronize', this.handle)
  }

  /** Microseconds of the device's clock since `start`, about 0.5 us exact; both must have happened. */
  elapsedUs(start: CudaEvent): number {
    return this.context.outFloat('cuEventElapsedTime', start.handle, this.handle) * 1000
  }
}
