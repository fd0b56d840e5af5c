import { type DType, dtypes, float16FromNumber, numberFromFloat16, type Shape, sizeOf, viewAs } from '@lowlat/core'
import { bytesPerElement, channelsLastStrides, type DeviceBuffer, rowMajorStrides, type View } from '../program/view.ts'

export interface ViewOptions {
  readonly kind?: DeviceBuffer['kind']
  /** 'rows' (row-major) if absent; 'channels-last'; or strides in elements. */
  readonly layout?: 'rows' | 'channels-last' | readonly number[]
  /** Elements before the first. */
  readonly offset?: number
}

let count = 0

/** A view of a buffer of its own, just large enough. */
export function makeView(
  dtype: DType,
  shape: Shape,
  { kind = 'temporary', layout = 'rows', offset = 0 }: ViewOptions = {},
): View {
  const strides =
    layout === 'rows' ? rowMajorStrides(shape) : layout === 'channels-last' ? channelsLastStrides(shape) : layout
  const last = shape.reduce((sum, extent, axis) => sum + (extent - 1) * strides[axis]!, offset)
  const buffer = { kind, name: `test ${count++}`, sizeBytes: (last + 1) * bytesPerElement(dtype) }
  return { buffer, dtype, shape, strides, offset }
}

/** Index in the buffer of each element, in row-major order of the shape. */
function* indices({ shape, strides, offset }: View): Generator<number> {
  const position = shape.map(() => 0)
  for (let left = sizeOf(shape); left > 0; left--) {
    yield position.reduce((sum, at, axis) => sum + at * strides[axis]!, offset)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis]!++
      if (position[axis]! < shape[axis]!) break
      position[axis] = 0
    }
  }
}

/** A buffer's bytes with these values, in row-major order of the view's shape; 0xff elsewhere. Floats are rounded. */
export function bytesOf(view: View, values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(view.buffer.sizeBytes)).fill(0xff)
  const elements: { [index: number]: number | bigint } = viewAs(view.dtype, bytes)
  const isWide = dtypes[view.dtype].array.BYTES_PER_ELEMENT === 8 && view.dtype !== 'float64'
  let next = 0
  for (const index of indices(view)) {
    const stored = storedFrom(view.dtype, values[next++]!)
    elements[index] = isWide ? BigInt(stored) : stored
  }
  return bytes
}

/** The values of a view in row-major order of its shape. */
export function valuesOf(view: View, bytes: Uint8Array): Float64Array {
  const elements = viewAs(view.dtype, bytes.slice()) as Float32Array
  const values = new Float64Array(sizeOf(view.shape))
  let next = 0
  for (const index of indices(view)) {
    const stored = Number(elements[index]!)
    values[next++] = view.dtype === 'float16' ? numberFromFloat16(stored) : stored
  }
  return values
}

/** How many bytes outside of the view are no longer 0xff. */
export function bytesTouchedOutside(view: View, bytes: Uint8Array): number {
  const rest = bytes.slice()
  const size = bytesPerElement(view.dtype)
  for (const index of indices(view)) rest.fill(0xff, index * size, (index + 1) * size)
  return rest.reduce((touched, byte) => touched + (byte === 0xff ? 0 : 1), 0)
}

/** What is left of values when they are stored. */
export function roundedTo(dtype: DType, values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values, (value) => {
    const stored = storedFrom(dtype, value)
    return dtype === 'float16' ? numberFromFloat16(stored) : dtype === 'float32' ? Math.fround(value) : stored
  })
}

const storedFrom = (dtype: DType, value: number): number => (dtype === 'float16' ? float16FromNumber(value) : value)

/** The same pseudo-random values every time (a linear congruential generator; Numerical Recipes), evenly from low to high. */
export function randomValues(length: number, seed: number, low = -1, high = 1): Float64Array {
  let state = seed >>> 0
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return low + (high - low) * (state / 2 ** 32)
  })
}

/** As `randomValues`, whole numbers from low to high. */
export const randomIntegers = (length: number, seed: number, low: number, high: number): Float64Array =>
  randomValues(length, seed, low, high + 1).map(Math.floor)
