/**
 * Tensors as lists with one entry per element, whatever the dtype's storage.
 *
 * Codes are the elements' bits, for operators that only move elements; every dtype but the complex ones has them.
 * Values are numbers (bigints for 64-bit integers), for operators that compute.
 */
import {
  allocate,
  byteLengthOf,
  type DType,
  type DTypeArray,
  dtypes,
  fromFloat32,
  type Shape,
  sizeOf,
  Tensor,
} from '@lowlat/core'

/** A typed array with one entry per element. */
export interface Elements {
  readonly length: number
  [index: number]: number | bigint
}

/** Undefined for complex numbers, which take two entries per element. A view where nothing is packed. */
export function codesOf(tensor: Tensor): Elements | undefined {
  const { bits, kind } = dtypes[tensor.dtype]
  if (kind === 'complex') return undefined
  if (bits >= 8) return tensor.data
  const perByte = 8 / bits
  const mask = (1 << bits) - 1
  const codes = new Uint8Array(tensor.size)
  for (let i = 0; i < codes.length; i++) {
    codes[i] = (Number(tensor.data[Math.floor(i / perByte)]) >>> ((i % perByte) * bits)) & mask
  }
  return codes
}

/** Room for the codes of `count` elements of a dtype that has codes. */
export function newCodes(dtype: DType, count: number): Elements {
  return dtypes[dtype].bits >= 8 ? allocate(dtype, count) : new Uint8Array(count)
}

/** A tensor over codes; copies only what it packs. */
export function tensorFromCodes(dtype: DType, shape: Shape, codes: Elements): Tensor {
  const { bits } = dtypes[dtype]
  if (bits >= 8) return new Tensor(dtype, shape, codes as DTypeArray)
  const perByte = 8 / bits
  const mask = (1 << bits) - 1
  const bytes = new Uint8Array(byteLengthOf(dtype, codes.length))
  for (let i = 0; i < codes.length; i++) {
    bytes[Math.floor(i / perByte)]! |= (Number(codes[i]) & mask) << ((i % perByte) * bits)
  }
  return new Tensor(dtype, shape, bytes as DTypeArray)
}

/** Undefined for complex numbers. A view where the storage holds the values. */
export function valuesOf(tensor: Tensor): Elements | undefined {
  const { bits, kind } = dtypes[tensor.dtype]
  if (kind === 'float' && bits < 32) return tensor.toFloat32()
  const codes = codesOf(tensor)
  if (!codes || bits >= 8 || kind === 'uint') return codes
  const values = new Int8Array(codes.length)
  for (let i = 0; i < values.length; i++) values[i] = (Number(codes[i]) << (32 - bits)) >> (32 - bits)
  return values
}

/** Room for values, wide enough that only {@link tensorFromValues} rounds float16 and bfloat16. */
export function newValues(dtype: DType, count: number): Elements {
  const { bits, kind } = dtypes[dtype]
  if (kind === 'float' && bits < 32) return allocate('float64', count)
  return bits < 8 ? allocate(kind === 'int' ? 'int8' : 'uint8', count) : allocate(dtype, count)
}

/** Whether {@link tensorFromValues} can write the dtype: all but complex numbers and floats below 16 bits. */
export function holdsValues(dtype: DType): boolean {
  const { bits, kind } = dtypes[dtype]
  return kind !== 'complex' && (kind !== 'float' || bits >= 16)
}

/** A tensor of values from {@link newValues}: floats round to nearest even, integers wrap. */
export function tensorFromValues(dtype: DType, shape: Shape, values: Elements): Tensor {
  if (dtype === 'float16' || dtype === 'bfloat16') {
    return new Tensor<DType>(dtype, shape, fromFloat32(dtype, values as Float64Array))
  }
  return tensorFromCodes(dtype, shape, values)
}

export function isWide(dtype: DType): boolean {
  return dtype === 'int64' || dtype === 'uint64'
}

/** Elements between neighbours of each axis of a dense tensor. */
export function stridesOf(shape: Shape): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)))
}

/**
 * Fills `out`, row by row, with the elements of `source` at `offset` plus index times stride; a stride of 0 repeats an
 * axis, a negative one reverses it.
 */
export function copyStrided(
  source: Elements,
  out: Elements,
  shape: Shape,
  strides: readonly number[],
  offset: number,
): void {
  let at = 0
  const last = shape.length - 1
  const copyAxis = (axis: number, from: number) => {
    if (axis > last) {
      out[at++] = source[from]!
      return
    }
    const count = shape[axis]!
    const stride = strides[axis]!
    if (axis < last) for (let i = 0; i < count; i++) copyAxis(axis + 1, from + i * stride)
    else for (let i = 0; i < count; i++) out[at++] = source[from + i * stride]!
  }
  if (out.length > 0) copyAxis(0, offset)
}

/** Strides that read a tensor of shape `from` as one of shape `to`, which it can be broadcast to. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = stridesOf(from)
  const missing = to.length - from.length
  return to.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : strides[axis - missing]!))
}
