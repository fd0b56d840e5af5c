import { type Shape, sizeOf } from '@lowlat/core'
import { rowMajorStrides, type View } from '../program/view.ts'

/** Axis i of the result is axis order[i] of the view. */
export function transposeView(view: View, order: readonly number[]): View {
  return {
    ...view,
    shape: order.map((axis) => view.shape[axis]!),
    strides: order.map((axis) => view.strides[axis]!),
  }
}

/** `count` elements of an axis from `start` on, every `step`-th; a negative step goes backwards. */
export function sliceView(view: View, axis: number, start: number, count: number, step = 1): View {
  return {
    ...view,
    offset: count === 0 ? view.offset : view.offset + start * view.strides[axis]!,
    shape: view.shape.with(axis, count),
    strides: view.strides.with(axis, view.strides[axis]! * step),
  }
}

/** The view repeated to a shape that it broadcasts to, as numpy does. */
export function broadcastView(view: View, shape: Shape): View {
  const missing = shape.length - view.shape.length
  const strides = shape.map((size, axis) => {
    const own = view.shape[axis - missing]
    return axis < missing || (own === 1 && size !== 1) ? 0 : view.strides[axis - missing]!
  })
  return { ...view, shape, strides }
}

/** The same elements in the same order under another shape; undefined where no strides give them. */
export function reshapeView(view: View, shape: Shape): View | undefined {
  if (sizeOf(shape) === 0) return { ...view, shape, strides: rowMajorStrides(shape) }
  const runs = uniformRuns(view)
  const strides = new Array<number>(shape.length).fill(0)
  let rest = runs.length === 0 ? 1 : runs.at(-1)!.size
  let step = runs.at(-1)?.stride ?? 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (rest === 1 && runs.length > 1 && shape[axis]! > 1) {
      runs.pop()
      rest = runs.at(-1)!.size
      step = runs.at(-1)!.stride
    }
    if (rest % shape[axis]! !== 0) return undefined
    strides[axis] = step
    step *= shape[axis]!
    rest /= shape[axis]!
  }
  return { ...view, shape, strides }
}

interface Run {
  size: number
  /** Between neighbouring elements of the run. */
  stride: number
}

/** Neighbouring axes that one axis could stand for, outermost first; axes of size 1 left out. */
function uniformRuns({ shape, strides }: View): Run[] {
  const runs: Run[] = []
  for (const [axis, size] of shape.entries()) {
    if (size === 1) continue
    const stride = strides[axis]!
    const last = runs.at(-1)
    if (last && last.stride === stride * size) {
      last.size *= size
      last.stride = stride
    } else runs.push({ size, stride })
  }
  return runs
}

/** Whether two views are the same elements in the same places; strides of axes of size 1 do not matter. */
export function sameView(a: View, b: View): boolean {
  return (
    a.buffer === b.buffer &&
    a.dtype === b.dtype &&
    a.offset === b.offset &&
    a.shape.length === b.shape.length &&
    a.shape.every((size, axis) => size === b.shape[axis] && (size === 1 || a.strides[axis] === b.strides[axis]))
  )
}

/** Whether no element occurs twice, as a kernel that writes the view needs. */
export function isInjective({ shape, strides }: View): boolean {
  return shape.every((size, axis) => size <= 1 || strides[axis] !== 0)
}
