import type { DType } from '@lowlat/core'

/**
 * Element types of engines' inputs and outputs, with TensorRT's names without their k. It has narrower ones inside
 * (INT4, FP4), and no 64-bit floats, 16-bit integers or unsigned integers but UINT8.
 */
export const dtypeToTensorRt: ReadonlyMap<DType, string> = new Map([
  ['float32', 'FLOAT'],
  ['float16', 'HALF'],
  ['bfloat16', 'BF16'],
  ['float8e4m3fn', 'FP8'],
  ['int8', 'INT8'],
  ['uint8', 'UINT8'],
  ['int32', 'INT32'],
  ['int64', 'INT64'],
  ['bool', 'BOOL'],
])

const dtypeFromName = new Map([...dtypeToTensorRt].map(([dtype, name]) => [name, dtype]))

/** Undefined for types that only layers have. */
export const dtypeFromTensorRt = (name: string): DType | undefined => dtypeFromName.get(name)
