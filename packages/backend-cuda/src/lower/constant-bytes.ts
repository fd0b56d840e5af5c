import { type DType, dtypes, fromFloat32, type Shape, sizeOf, type Tensor } from '@lowlat/core'
import { rowMajorStrides } from '../program/view.ts'

/** Largest finite float16. */
const maxHalf = 65504

/**
 * The elements of a constant in their storage dtype. Finite floats beyond float16 become its largest ones.
 * @param order axes from the outermost to the innermost; default row-major.
 */
export function bytesAs(tensor: Tensor, dtype: DType, order: readonly number[] = [...tensor.shape.keys()]): Uint8Array {
  const bytes = tensor.dtype === dtype ? tensor.bytes : convertedBytes(tensor, dtype)
  return order.every((axis, index) => axis === index) ? bytes : reordered(bytes, tensor.shape, order)
}

function convertedBytes(tensor: Tensor, dtype: DType): Uint8Array {
  if (dtype !== 'float16' && dtype !== 'float32') throw new Error(`cannot store ${tensor.dtype} as ${dtype}`)
  const values = new Float32Array(tensor.size)
  values.set(floatsOf(tensor))
  if (dtype === 'float32') return bytesOf(values)
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!)
    if (size > maxHalf && size < Number.POSITIVE_INFINITY) values[i] = values[i]! > 0 ? maxHalf : -maxHalf
  }
  return bytesOf(fromFloat32('float16', values))
}

function reordered(bytes: Uint8Array, shape: Shape, order: readonly number[]): Uint8Array {
  const count = sizeOf(shape)
  const size = count === 0 ? 0 : bytes.length / count
  const strides = rowMajorStrides(shape)
  const result = new Uint8Array(bytes.length)
  let at = 0
  const copyAxis = (index: number, from: number) => {
    const axis = order[index]
    if (axis === undefined) {
      result.set(bytes.subarray(from * size, (from + 1) * size), at)
      at += size
      return
    }
    for (let i = 0; i < shape[axis]!; i++) copyAxis(index + 1, from + i * strides[axis]!)
  }
  if (count > 0) copyAxis(0, 0)
  return result
}

/** The elements of a float tensor of 16 bits and more. */
export function floatsOf(tensor: Tensor): ArrayLike<number> {
  const { kind, bits } = dtypes[tensor.dtype]
  if (kind !== 'float' || bits < 16) throw new Error(`expected floats, got ${tensor.dtype}`)
  return tensor.dtype === 'float64' ? (tensor.data as Float64Array) : tensor.toFloat32()
}

export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
