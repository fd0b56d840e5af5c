import { type DType, dtypes, type Shape, sizeOf } from '@lowlat/core'

/**
 * A region of device memory that a program names before it has an address. Inputs and outputs are what a run is fed with
 * and gives back; constants are weights, shared by every context; temporaries live in the arena of a context.
 */
export interface DeviceBuffer {
  readonly kind: 'input' | 'output' | 'constant' | 'temporary'
  /** For people, and for inputs, outputs and constants also what identifies them. */
  readonly name: string
  readonly sizeBytes: number
}

/**
 * A tensor as kernels see it: elements of a buffer at `offset + sum(index * stride)`. Transposing, slicing, splitting and
 * broadcasting (stride 0) give further views of the same buffer, without a copy.
 */
export interface View {
  readonly buffer: DeviceBuffer
  /** How elements are stored; a float32 value of the model may be stored as float16. */
  readonly dtype: DType
  /** In the order of the model's axes: [N, C, H, W] whatever lies next to what in memory. */
  readonly shape: Shape
  /** In elements, per axis of `shape`. */
  readonly strides: readonly number[]
  /** In elements, from the start of the buffer. */
  readonly offset: number
}

export const bytesPerElement = (dtype: DType): number => dtypes[dtype].bits / 8

export const sizeBytesOf = (dtype: DType, shape: Shape): number => sizeOf(shape) * bytesPerElement(dtype)

/** Strides of a tensor whose last axis is contiguous. */
export function rowMajorStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  for (let axis = shape.length - 1, step = 1; axis >= 0; axis--) {
    strides[axis] = step
    step *= shape[axis]!
  }
  return strides
}

/** Strides of [N, C, spatial...] with the channels contiguous (NHWC); row-major below rank 3. */
export function channelsLastStrides(shape: Shape): number[] {
  if (shape.length < 3) return rowMajorStrides(shape)
  const [batch, channels, ...spatial] = shape
  const [n, ...rest] = rowMajorStrides([batch!, ...spatial, channels!])
  return [n!, rest.at(-1)!, ...rest.slice(0, -1)]
}
