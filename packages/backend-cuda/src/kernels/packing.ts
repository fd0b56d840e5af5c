import { float16FromNumber, type Shape, sizeOf } from '@lowlat/core'
import { alignUp } from '../program/struct.ts'

/** Dtype of the weights that a kernel of each precision reads. */
export const weightDTypes = { fp32: 'float32', tf32: 'float32', fp16: 'float16', int8: 'int8' } as const

/** Arithmetic of a matrix product: operands, and what sums them up (float32, or int32 for int8). */
export type ProductPrecision = keyof typeof weightDTypes

type WeightValues = Float32Array | Int8Array

const elementBytes = { float32: 4, float16: 2, int8: 1 } as const

/** Length of a packed row in elements: rows start at multiples of 16 bytes. */
export function packedDepth(depth: number, precision: ProductPrecision): number {
  return alignUp(depth, 16 / elementBytes[weightDTypes[precision]])
}

/** Shape of packed convolution weights, from ONNX's [M, C / group, spatial...]. */
export function packedConvolutionShape(shape: Shape, precision: ProductPrecision): [rows: number, pitch: number] {
  const [rows, ...rest] = shape
  return [rows!, packedDepth(sizeOf(rest), precision)]
}

/** ONNX's [M, C / group, spatial...] as rows [M][spatial..., C / group], each padded with zeros. */
export function packConvolutionWeights(values: WeightValues, shape: Shape, precision: ProductPrecision): Uint8Array {
  const [rows, channels, ...spatial] = shape
  const taps = sizeOf(spatial)
  const depth = channels! * taps
  return packRows(rows!, depth, precision, (row, k) => {
    const tap = Math.floor(k / channels!)
    return values[row * depth + (k - tap * channels!) * taps + tap]!
  })
}

/** A matrix [columns, depth], or [depth, columns] if `transposed`, as rows [columns][depth], each padded with zeros. */
export function packMatrix(
  values: WeightValues,
  { columns, depth, transposed }: { columns: number; depth: number; transposed: boolean },
  precision: ProductPrecision,
): Uint8Array {
  return packRows(columns, depth, precision, (column, k) =>
    transposed ? values[k * columns + column]! : values[column * depth + k]!,
  )
}

/** ONNX's [C, 1, spatial...] as [spatial...][C], what depthwise kernels read. */
export function packDepthwiseWeights(values: WeightValues, shape: Shape, precision: ProductPrecision): Uint8Array {
  const channels = shape[0]!
  const taps = sizeOf(shape.slice(2))
  const packed = allocateWeights(channels * taps, precision)
  for (let tap = 0; tap < taps; tap++) {
    for (let channel = 0; channel < channels; channel++)
      packed.set(tap * channels + channel, values[channel * taps + tap]!)
  }
  return packed.bytes
}

function packRows(
  rows: number,
  depth: number,
  precision: ProductPrecision,
  valueAt: (row: number, k: number) => number,
): Uint8Array {
  const pitch = packedDepth(depth, precision)
  const packed = allocateWeights(rows * pitch, precision)
  for (let row = 0; row < rows; row++) for (let k = 0; k < depth; k++) packed.set(row * pitch + k, valueAt(row, k))
  return packed.bytes
}

function allocateWeights(length: number, precision: ProductPrecision) {
  const dtype = weightDTypes[precision]
  const array =
    dtype === 'float32' ? new Float32Array(length) : dtype === 'int8' ? new Int8Array(length) : new Uint16Array(length)
  const set =
    dtype === 'float16'
      ? (index: number, value: number) => {
          array[index] = float16FromNumber(value)
        }
      : (index: number, value: number) => {
          array[index] = value
        }
  return { set, bytes: new Uint8Array(array.buffer) }
}
