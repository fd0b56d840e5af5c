import type { DType, Shape } from '@lowlat/core'
import type { View } from './view.ts'

/**
 * Weights in the layout that kernels read. While a model is compiled they are packed; at run time they are found by key.
 * How a weight is packed must depend on the model, the precision and the device alone, never on the shapes of a run.
 */
export interface ConstantStore {
  /**
   * A contiguous row-major constant of this dtype and shape.
   * @param key names the weight and its packing: equal keys mean equal bytes.
   * Keys that start with `table/` name small constants that may depend on the shapes of a run (positions, offsets): such
   * ones may be asked for at run time for the first time, and `make` works then too.
   * @param make called only where the key is not there yet.
   */
  get(key: string, dtype: DType, shape: Shape, make: () => Uint8Array): View
}

/** What choosing a kernel's variant goes by. */
export interface DeviceFacts {
  /** 75 for 7.5, 90 for 9.0. */
  readonly computeCapability: number
  readonly multiprocessors: number
  /** Largest dynamic shared memory of a block, after opting in. */
  readonly sharedBytesPerBlock: number
  readonly l2Bytes: number
}
