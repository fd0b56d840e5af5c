import { type Shape, sizeOf } from '@lowlat/core'
import { bytesPerElement, type View } from '../program/view.ts'
import { divisionBy } from './division.ts'

/** MAX_AXES of strided.cuh. */
export const maxAxes = 8

/** An axis along which several operands are walked together: its size, and the stride of each operand in elements. */
export interface IterationAxis {
  readonly size: number
  readonly strides: readonly number[]
}

/** Strides of a view that is broadcast to a shape as numpy does. */
export function broadcastStrides(view: View, shape: Shape): number[] {
  const missing = shape.length - view.shape.length
  return shape.map((size, axis) => {
    const own = view.shape[axis - missing]
    if (own === undefined || (own === 1 && size !== 1)) return 0
    if (own !== size) throw new Error(`[${view.shape}] cannot be broadcast to [${shape}].`)
    return view.strides[axis - missing]!
  })
}

/**
 * The fewest axes over which the operands can be walked, innermost first; at least one. Axes are taken in the order of the
 * first operand's strides, then the second's and so on; those that lie alike in all operands become one.
 * @param operands strides per axis of `shape`, for each operand.
 */
export function iterationAxes(shape: Shape, operands: readonly (readonly number[])[]): IterationAxis[] {
  const axes = [...shape.keys()]
    .filter((axis) => shape[axis] !== 1)
    .sort((a, b) => {
      const difference = operands
        .map((strides) => Math.abs(strides[a]!) - Math.abs(strides[b]!))
        .find((one) => one !== 0)
      return difference ?? b - a
    })
  if (axes.length === 0) return [{ size: 1, strides: operands.map(() => 0) }]
  return mergeAxes(axes.map((axis) => ({ size: shape[axis]!, strides: operands.map((strides) => strides[axis]!) })))
}

/** Neighbours that one axis can stand for become one; the order, innermost first, stays. */
export function mergeAxes<Axis extends IterationAxis>(
  axes: readonly Axis[],
  canMerge = (_: Axis, __: Axis) => true,
): Axis[] {
  const merged: Axis[] = []
  for (const axis of axes) {
    const inner = merged.at(-1)
    const follows = inner && axis.strides.every((stride, operand) => stride === inner.strides[operand]! * inner.size)
    if (inner && follows && canMerge(inner, axis))
      merged[merged.length - 1] = { ...inner, size: inner.size * axis.size }
    else merged.push(axis)
  }
  return merged
}

/** How many places there are on a walk over these axes. */
export const placesOf = (axes: readonly IterationAxis[]): number => sizeOf(axes.map(({ size }) => size))

/** Fields of a struct for `offsets_of` of strided.cuh. */
export function iterationFields(operands: number) {
  return {
    axes: 'int32',
    sizes: ['int32', maxAxes],
    multipliers: ['uint32', maxAxes],
    shifts: ['uint32', maxAxes],
    strides: ['int32', operands * maxAxes],
  } as const
}

/** What those fields are set to. @param operands how many of them each axis has strides for. */
export function iterationArguments(axes: readonly IterationAxis[], operands: number) {
  if (axes.length > maxAxes) throw new Error(`Kernels walk over at most ${maxAxes} axes, got ${axes.length}.`)
  const divisions = axes.map(({ size }) => divisionBy(size))
  const strides = new Array<number>(operands * maxAxes).fill(0)
  for (const [index, axis] of axes.entries()) {
    for (const [operand, stride] of axis.strides.entries()) strides[operand * maxAxes + index] = stride
  }
  return {
    axes: axes.length,
    sizes: axes.map(({ size }) => size),
    multipliers: divisions.map(({ multiplier }) => multiplier),
    shifts: divisions.map(({ shift }) => shift),
    strides,
  }
}

/** @throws Error unless kernels can count the elements with 31 bits, and there are some. */
export function checkedSize(shape: Shape): number {
  const size = sizeOf(shape)
  if (size < 1 || size >= 2 ** 31) throw new Error(`Kernels work on 1 to 2^31 - 1 elements, got [${shape}].`)
  return size
}

/** Whether every address at which `count` neighbours along the innermost axis begin is a multiple of their size, up to 16 bytes. */
export function isAligned(view: View, operand: number, axes: readonly IterationAxis[], count: number): boolean {
  const elementBytes = bytesPerElement(view.dtype)
  const alignment = Math.min(16, count * elementBytes)
  const isMultiple = (elements: number) => (elements * elementBytes) % alignment === 0
  return (
    axes[0]!.strides[operand] === 1 &&
    isMultiple(view.offset) &&
    axes.slice(1).every(({ strides }) => isMultiple(strides[operand]!))
  )
}
