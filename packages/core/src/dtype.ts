/**
 * The numeric element types of ONNX and how lowlat stores them in JavaScript.
 *
 * Types that JavaScript has no typed array for are stored as their bits: float16 and bfloat16 in a Uint16Array, the
 * float8 types in a Uint8Array; the 4-bit and 2-bit types are packed into a Uint8Array, first element in the low bits,
 * as ONNX packs them. Complex numbers are interleaved (real, imaginary). Codes are those of ONNX's TensorProto.DataType.
 */

import { describeValue, InputError } from './errors.ts'

interface ArrayOf {
  float32: Float32Array
  float64: Float64Array
  float16: Uint16Array
  bfloat16: Uint16Array
  float8e4m3fn: Uint8Array
  float8e4m3fnuz: Uint8Array
  float8e5m2: Uint8Array
  float8e5m2fnuz: Uint8Array
  float8e8m0: Uint8Array
  float4e2m1: Uint8Array
  int8: Int8Array
  uint8: Uint8Array
  int16: Int16Array
  uint16: Uint16Array
  int32: Int32Array
  uint32: Uint32Array
  int64: BigInt64Array
  uint64: BigUint64Array
  int4: Uint8Array
  uint4: Uint8Array
  int2: Uint8Array
  uint2: Uint8Array
  bool: Uint8Array
  complex64: Float32Array
  complex128: Float64Array
}

export type DType = keyof ArrayOf
/** The typed array that holds a dtype's elements. */
export type DTypeArray<D extends DType = DType> = ArrayOf[D]

interface TypedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number
  new (length: number): DTypeArray
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): DTypeArray
}

export interface DTypeInfo {
  /** TensorProto.DataType of ONNX. */
  readonly onnxCode: number
  /** Bits of one element; complex types count both parts. */
  readonly bits: number
  readonly array: TypedArrayConstructor
  readonly kind: 'float' | 'int' | 'uint' | 'bool' | 'complex'
}

const info = (onnxCode: number, bits: number, kind: DTypeInfo['kind'], array: TypedArrayConstructor): DTypeInfo => ({
  onnxCode,
  bits,
  kind,
  array,
})

export const dtypes: { readonly [D in DType]: DTypeInfo } = {
  float32: info(1, 32, 'float', Float32Array),
  uint8: info(2, 8, 'uint', Uint8Array),
  int8: info(3, 8, 'int', Int8Array),
  uint16: info(4, 16, 'uint', Uint16Array),
  int16: info(5, 16, 'int', Int16Array),
  int32: info(6, 32, 'int', Int32Array),
  int64: info(7, 64, 'int', BigInt64Array),
  bool: info(9, 8, 'bool', Uint8Array),
  float16: info(10, 16, 'float', Uint16Array),
  float64: info(11, 64, 'float', Float64Array),
  uint32: info(12, 32, 'uint', Uint32Array),
  uint64: info(13, 64, 'uint', BigUint64Array),
  complex64: info(14, 64, 'complex', Float32Array),
  complex128: info(15, 128, 'complex', Float64Array),
  bfloat16: info(16, 16, 'float', Uint16Array),
  float8e4m3fn: info(17, 8, 'float', Uint8Array),
  float8e4m3fnuz: info(18, 8, 'float', Uint8Array),
  float8e5m2: info(19, 8, 'float', Uint8Array),
  float8e5m2fnuz: info(20, 8, 'float', Uint8Array),
  uint4: info(21, 4, 'uint', Uint8Array),
  int4: info(22, 4, 'int', Uint8Array),
  float4e2m1: info(23, 4, 'float', Uint8Array),
  float8e8m0: info(24, 8, 'float', Uint8Array),
  uint2: info(25, 2, 'uint', Uint8Array),
  int2: info(26, 2, 'int', Uint8Array),
}

const byCode = new Map(Object.entries(dtypes).map(([name, { onnxCode }]) => [onnxCode, name as DType]))

export function isDType(value: unknown): value is DType {
  return typeof value === 'string' && Object.hasOwn(dtypes, value)
}

/** @throws InputError INPUT_DTYPE. */
export function checkDType(dtype: unknown): asserts dtype is DType {
  if (isDType(dtype)) return
  throw new InputError('INPUT_DTYPE', {
    message: `Expected a dtype, got ${describeValue(dtype)}.`,
    remedy: `Use one of ${Object.keys(dtypes).join(', ')}.`,
    received: dtype,
  })
}

/** The dtype of an ONNX TensorProto.DataType code; undefined for strings (8) and codes this version does not know. */
export function dtypeFromOnnx(code: number): DType | undefined {
  return byCode.get(code)
}

/**
 * Bytes that `count` elements take: sub-byte types are packed and rounded up to whole bytes.
 * @throws InputError INPUT_DTYPE, or INVALID_ARGUMENT for a count that is no number.
 */
export function byteLengthOf(dtype: DType, count: number): number {
  checkDType(dtype)
  if (typeof count !== 'number') {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a number of elements, got ${describeValue(count)}.`,
      remedy: 'Pass the size of the shape: sizeOf(shape).',
      received: count,
    })
  }
  return Math.ceil((count * dtypes[dtype].bits) / 8)
}

/** Length of the typed array that holds `count` elements (two per complex number, one byte per two int4). @throws as byteLengthOf. */
export function arrayLengthOf(dtype: DType, count: number): number {
  return byteLengthOf(dtype, count) / dtypes[dtype].array.BYTES_PER_ELEMENT
}

/**
 * A zeroed typed array for `count` elements.
 * @throws InputError INPUT_SHAPE when memory cannot hold so many; INPUT_DTYPE or INVALID_ARGUMENT as {@link byteLengthOf}.
 */
export function allocate<D extends DType>(dtype: D, count: number): DTypeArray<D> {
  const length = arrayLengthOf(dtype, count)
  try {
    return new dtypes[dtype].array(length) as DTypeArray<D>
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new InputError('INPUT_SHAPE', {
      message: `Expected a size that fits into memory, got ${count} elements of ${dtype} (${byteLengthOf(dtype, count)} bytes).`,
      remedy: 'Check the sizes of the axes, and the memory that is free.',
      received: count,
      cause,
    })
  }
}

/**
 * The elements in `bytes` as the dtype's typed array. A view on the same memory where the offset is aligned, a copy
 * where it is not (typed arrays must start at a multiple of their element size).
 * @throws InputError INPUT_BYTE_LENGTH when the bytes are no whole number of array elements; INPUT_DTYPE for what is no
 * dtype or no Uint8Array.
 */
export function viewAs<D extends DType>(dtype: D, bytes: Uint8Array): DTypeArray<D> {
  checkDType(dtype)
  checkBytes(bytes)
  const { array } = dtypes[dtype]
  const size = array.BYTES_PER_ELEMENT
  if (bytes.byteLength % size !== 0) {
    throw new InputError('INPUT_BYTE_LENGTH', {
      message: `Expected a multiple of ${size} bytes for ${dtype}, got ${bytes.byteLength}.`,
      remedy: 'Check the dtype, and that the data is complete.',
      expected: size,
      received: bytes.byteLength,
    })
  }
  // Not `bytes.slice()`: a Buffer's slice is a view on the same, unaligned memory.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)
  return new array(aligned.buffer, aligned.byteOffset, aligned.byteLength / size) as DTypeArray<D>
}

/** @throws InputError INPUT_DTYPE unless it is a Uint8Array. */
export function checkBytes(bytes: unknown): asserts bytes is Uint8Array {
  if (bytes instanceof Uint8Array) return
  throw new InputError('INPUT_DTYPE', {
    message: `Expected the bytes in a Uint8Array, got ${typeName(bytes)}.`,
    remedy: 'Wrap an ArrayBuffer: new Uint8Array(buffer).',
    expected: 'Uint8Array',
    received: typeName(bytes),
  })
}

/** What it is an instance of, or its type. */
export function typeName(value: unknown): string {
  return value === null || value === undefined ? String(value) : ((value as object).constructor?.name ?? typeof value)
}
