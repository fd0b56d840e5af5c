import type { DType } from '@lowlat/core'

/** Dtypes that element-wise and copying kernels read and write. */
const stored: ReadonlySet<DType> = new Set<DType>([
  'float32',
  'float16',
  'float64',
  'bfloat16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
])

export const canStore = (dtype: DType): boolean => stored.has(dtype)
