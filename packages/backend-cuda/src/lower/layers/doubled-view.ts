import type { View } from '../../program/view.ts'
import type { Layout } from '../layout.ts'
import type { Lowering } from '../lowering.ts'
import { reshapeView } from '../views.ts'

/**
 * A copy in which an axis has every run of elements twice, one behind the other: what sums of two weights are multiplied with.
 * @param runs of which the axis consists.
 */
export function doubledView(view: View, axis: number, runs: number, layout: Layout, context: Lowering): View {
  const length = view.shape[axis]! / runs
  const split = (one: View, count: number) => reshapeView(one, one.shape.toSpliced(axis, 1, runs, count, length))!
  const result = context.temporary(view.dtype, view.shape.with(axis, 2 * view.shape[axis]!), layout)
  const once = split(view, 1)
  const twice = { ...once, shape: once.shape.with(axis + 1, 2), strides: once.strides.with(axis + 1, 0) }
  context.copy(twice, split(result, 2))
  return result
}
