import type { DType } from '@lowlat/core'
import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import { storageOf } from './epilogue.ts'
import { threadPerItem } from './grid.ts'
import { checkedSize, isAligned, iterationArguments, iterationAxes, iterationFields, placesOf } from './iteration.ts'

/** An axis that changes its size: every output position is a weighted sum of some input positions. */
export interface ResizedAxis {
  readonly axis: number
  /** int32 [output size, taps], of `resizeTaps`. */
  readonly indices: View
  /** float32 [output size, taps] */
  readonly weights: View
}

export interface ResizeArgs {
  /** float32, float16, int8 or uint8 (the latter two are exact with one tap per axis), any strides (fast: contiguous channels). */
  readonly input: View
  readonly output: View
  /** One to three. Other axes have the same size in input and output. */
  readonly axes: readonly ResizedAxis[]
  /** Where an index is -1: outside of the region of tf_crop_and_resize. */
  readonly extrapolationValue?: number
}

const maxResized = 3
/** Neighbours that a thread takes where it can. */
const groupSize = 4

export const resizeLayout = structLayout({
  input: 'pointer',
  output: 'pointer',
  places: ['pointer', maxResized],
  weights: ['pointer', maxResized],
  storage: 'int32',
  extrapolationValue: 'float32',
  vectors: 'int32',
  count: 'int32',
  ...iterationFields(5),
  taps: ['int32', maxResized],
  inputSteps: ['int32', maxResized],
})

export function resize({ input, output, axes: resized, extrapolationValue = 0 }: ResizeArgs): Launch {
  checkResize({ input, output, axes: resized })
  checkedSize(output.shape)
  const isResized = (axis: number) => resized.some((one) => one.axis === axis)
  const inputStrides = input.strides.map((stride, axis) => (isResized(axis) ? 0 : stride))
  const tables = Array.from({ length: maxResized }, (_, index) =>
    output.shape.map((_, axis) => (resized[index]?.axis === axis ? resized[index].indices.shape[1]! : 0)),
  )
  const all = iterationAxes(output.shape, [output.strides, inputStrides, ...tables]).map(({ size, strides }) => {
    const [to, from, ...rest] = strides
    return { size, strides: [from!, to!, ...rest] }
  })
  const [inner, ...outer] = all
  const vectors =
    inner!.size % groupSize === 0 &&
    inner!.strides.slice(2).every((stride) => stride === 0) &&
    isAligned(output, 1, all, groupSize) &&
    isAligned(input, 0, all, groupSize) &&
    resized.every(({ axis }) => input.strides[axis]! % groupSize === 0)
  const axes = vectors
    ? [{ size: inner!.size / groupSize, strides: inner!.strides.map((stride) => stride * groupSize) }, ...outer]
    : all
  const count = placesOf(axes)
  return {
    kernel: 'resize',
    layout: resizeLayout,
    ...threadPerItem(count),
    arguments: {
      input: pointerTo(input),
      output: pointerTo(output),
      places: resized.map(({ indices }) => pointerTo(indices)),
      weights: resized.map(({ weights }) => pointerTo(weights)),
      storage: storageOf(input),
      extrapolationValue,
      vectors: vectors ? 1 : 0,
      count,
      ...iterationArguments(axes, 5),
      taps: Array.from({ length: maxResized }, (_, index) => resized[index]?.indices.shape[1] ?? 1),
      inputSteps: resized.map(({ axis }) => input.strides[axis]!),
    },
    reads: [input, ...resized.flatMap(({ indices, weights }) => [indices, weights])].map(({ buffer }) => buffer),
    writes: [output.buffer],
    tactic: `${resized.map(({ indices }) => indices.shape[1]).join('x')} taps${vectors ? ', four at once' : ''}`,
  }
}

function checkResize({ input, output, axes }: Pick<ResizeArgs, 'input' | 'output' | 'axes'>): void {
  if (input.dtype !== output.dtype) throw new Error(`Resizing keeps the dtype, got ${input.dtype} and ${output.dtype}.`)
  if (axes.length < 1 || axes.length > maxResized) throw new Error(`One to three axes are resized, got ${axes.length}.`)
  const integers: readonly DType[] = ['int8', 'uint8']
  for (const { axis, indices, weights } of axes) {
    const [size, taps] = indices.shape
    if (indices.dtype !== 'int32' || weights.dtype !== 'float32' || size !== output.shape[axis])
      throw new Error(`Axis ${axis} of [${output.shape}] wants tables of int32 and float32, got [${indices.shape}].`)
    if (integers.includes(input.dtype) && taps !== 1)
      throw new Error(`${input.dtype} is resized to nearest values only.`)
  }
  const kept = [...output.shape.keys()].filter((axis) => !axes.some((one) => one.axis === axis))
  const differing = kept.find((axis) => input.shape[axis] !== output.shape[axis])
  if (differing !== undefined)
    throw new Error(`Axis ${differing} of [${input.shape}] is ${output.shape[differing]} after resizing.`)
}
