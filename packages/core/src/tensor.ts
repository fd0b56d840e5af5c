import {
  allocate,
  arrayLengthOf,
  byteLengthOf,
  checkBytes,
  checkDType,
  type DType,
  type DTypeArray,
  dtypes,
  typeName,
  viewAs,
} from './dtype.ts'
import { describeValue, InputError } from './errors.ts'
import { fromFloat32, toFloat32 } from './float.ts'

/** Sizes of the axes, outermost first; [] is a scalar. Every size is a non-negative integer. */
export type Shape = readonly number[]

/** Number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  let size = 1
  for (const dim of shape) size *= dim
  return size
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis])
}

/**
 * A dense, row-major tensor over a typed array. The handle is immutable; the elements are the caller's memory and are
 * never copied by the constructor, `reshape` or `rows`. That memory may be a SharedArrayBuffer: backends copy what they
 * keep, and whoever shares it sees to it that nobody writes while a run reads.
 */
export class Tensor<D extends DType = DType> {
  readonly dtype: D
  readonly shape: Shape
  readonly data: DTypeArray<D>
  /** Number of elements, which for packed and complex dtypes differs from `data.length`. */
  readonly size: number

  /** @throws InputError INPUT_DTYPE, INPUT_SHAPE or INPUT_BYTE_LENGTH when dtype, shape and data do not agree. */
  constructor(dtype: D, shape: Shape, data: DTypeArray<D>) {
    checkType(dtype, shape)
    const { array } = dtypes[dtype]
    if (!(data instanceof array)) {
      throw new InputError('INPUT_DTYPE', {
        message: `Expected the elements of a ${dtype} tensor in a ${arrayName(array)}, got ${typeName(data)}.`,
        remedy: `Convert the data, or name the dtype that it has.`,
        expected: arrayName(array),
        received: typeName(data),
      })
    }
    const size = sizeOf(shape)
    const length = arrayLengthOf(dtype, size)
    if (data.length !== length) {
      throw new InputError('INPUT_BYTE_LENGTH', {
        message: `Expected ${byteLengthOf(dtype, size)} bytes (${length} array elements) for ${dtype} [${shape.join(', ')}], got ${data.byteLength} bytes (${data.length} array elements).`,
        remedy: 'Check the shape against the data: the product of the axes is the number of elements.',
        expected: length,
        received: data.length,
      })
    }
    this.dtype = dtype
    this.shape = [...shape] // the caller's array may change later
    this.data = data
    this.size = size
  }

  /** A tensor of zeros. @throws InputError INPUT_DTYPE; INPUT_SHAPE, also for more elements than memory can hold. */
  static zeros<D extends DType>(dtype: D, shape: Shape): Tensor<D> {
    checkType(dtype, shape)
    return new Tensor(dtype, shape, allocate(dtype, sizeOf(shape)))
  }

  /**
   * A tensor over raw little-endian bytes: a view where they are aligned for the dtype, else a copy.
   * @throws InputError INPUT_DTYPE, INPUT_SHAPE or INPUT_BYTE_LENGTH.
   */
  static fromBytes<D extends DType>(dtype: D, shape: Shape, bytes: Uint8Array): Tensor<D> {
    checkType(dtype, shape)
    checkBytes(bytes)
    const expected = byteLengthOf(dtype, sizeOf(shape))
    if (bytes.byteLength !== expected) {
      throw new InputError('INPUT_BYTE_LENGTH', {
        message: `Expected ${expected} bytes for ${dtype} [${shape.join(', ')}], got ${bytes.byteLength}.`,
        remedy: 'Check the shape and the dtype against the data.',
        expected,
        received: bytes.byteLength,
      })
    }
    return new Tensor(dtype, shape, viewAs(dtype, bytes))
  }

  /** A float16 tensor with the given values, rounded to nearest even. @throws InputError as the constructor. */
  static float16(shape: Shape, values: ArrayLike<number>): Tensor<'float16'> {
    return new Tensor('float16', shape, fromFloat32('float16', values))
  }

  get byteLength(): number {
    return this.data.byteLength
  }

  /** The elements' memory as bytes; a view, not a copy. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.data.buffer, this.data.byteOffset, this.data.byteLength)
  }

  /** The same elements under another shape of equal size; shares memory. */
  reshape(shape: Shape): Tensor<D> {
    return new Tensor(this.dtype, shape, this.data)
  }

  /**
   * Rows `start` (inclusive) to `end` (exclusive) of the outermost axis; shares memory.
   * Not for packed dtypes (int4 and the like), whose rows need not start at a byte.
   * @throws InputError INVALID_ARGUMENT.
   */
  rows(start: number, end: number): Tensor<D> {
    const [count = 0, ...rest] = this.shape
    const there = Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= count
    if (this.shape.length === 0 || !there || dtypes[this.dtype].bits < 8) {
      throw new InputError('INVALID_ARGUMENT', {
        message: `Cannot take rows ${describeValue(start)} to ${describeValue(end)} of a ${this.dtype} tensor [${this.shape.join(', ')}].`,
        remedy: 'Rows run over the outermost axis of a tensor whose elements are whole bytes.',
        received: [start, end],
      })
    }
    const row = arrayLengthOf(this.dtype, sizeOf(rest))
    const data = this.data.subarray(start * row, end * row) as DTypeArray<D>
    return new Tensor(this.dtype, [end - start, ...rest], data)
  }

  /** A tensor with its own copy of the elements. */
  clone(): Tensor<D> {
    // Not `data.slice()`: a Buffer's slice shares its memory.
    const data = allocate(this.dtype, this.size)
    new Uint8Array(data.buffer).set(this.bytes)
    return new Tensor(this.dtype, this.shape, data)
  }

  /**
   * The elements as float32: the same memory for float32, else a converted copy. 64-bit types lose precision beyond
   * float32's 24 bits. @throws InputError INPUT_DTYPE for complex and packed integer dtypes.
   */
  toFloat32(): Float32Array {
    const { kind, bits } = dtypes[this.dtype]
    if (this.data instanceof Float32Array && kind === 'float') return this.data
    if (kind === 'float' && bits < 32) return toFloat32(this.dtype, this.data, this.size)
    if (kind === 'complex' || bits < 8) {
      throw new InputError('INPUT_DTYPE', {
        message: `Expected a real dtype of whole bytes, got ${this.dtype}.`,
        remedy: 'Read `data` directly: it holds the packed or interleaved elements.',
        received: this.dtype,
      })
    }
    const data: ArrayLike<number | bigint> = this.data
    const out = new Float32Array(this.size)
    for (let i = 0; i < out.length; i++) out[i] = Number(data[i])
    return out
  }
}

export function isShape(value: unknown): value is Shape {
  if (!Array.isArray(value)) return false
  // Not `every`, which passes over the holes of a sparse array.
  for (const dim of value) if (!Number.isSafeInteger(dim) || dim < 0) return false
  return true
}

function checkType(dtype: DType, shape: Shape): void {
  checkDType(dtype)
  if (!isShape(shape)) {
    throw new InputError('INPUT_SHAPE', {
      message: `Expected a shape of non-negative integers, got ${describeValue(shape)}.`,
      remedy: 'Pass the size of every axis, for example [1, 3, 224, 224].',
      received: shape,
    })
  }
}

function arrayName(array: unknown): string {
  return (array as { name: string }).name
}
