import { allocate, bfloat16FromNumber, type DType, float16FromNumber } from '@lowlat/core'
import type { View } from '../program/view.ts'

/** How elements are stored: `ElementType` of elements.cuh. */
export const elementCodes: Readonly<Partial<Record<DType, number>>> = {
  float32: 0,
  float16: 1,
  int8: 2,
  uint8: 3,
  int16: 4,
  uint16: 5,
  int32: 6,
  uint32: 7,
  int64: 8,
  uint64: 9,
  bool: 10,
  float64: 11,
  bfloat16: 12,
}

/** @throws Error for a dtype that kernels do not compute with. */
export function elementCode({ dtype, buffer }: View): number {
  const code = elementCodes[dtype]
  if (code === undefined) throw new Error(`Kernels do not compute with ${dtype} ('${buffer.name}').`)
  return code
}

/** The bytes of one element. */
export function elementBits(dtype: DType, value: number): Uint8Array {
  const element = allocate(dtype, 1)
  if (element instanceof BigInt64Array || element instanceof BigUint64Array) element[0] = BigInt(value)
  else
    element[0] =
      dtype === 'float16' ? float16FromNumber(value) : dtype === 'bfloat16' ? bfloat16FromNumber(value) : value
  return new Uint8Array(element.buffer)
}
