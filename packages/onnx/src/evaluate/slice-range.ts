import type { Node } from '../graph/node.ts'
import { axesOf, invalidNode } from './invalid-node.ts'

interface AxisSlice<T> {
  readonly axis: number
  readonly start: T
  readonly end: T
  readonly step: number
}

/**
 * What a Slice takes from which axis: axes default to the first ones, steps to 1.
 * @throws ModelError MODEL_INVALID for lists of different lengths and steps of 0.
 */
export function slicesOf<T>(
  node: Node,
  rank: number,
  starts: readonly T[],
  ends: readonly T[],
  axes: readonly number[] = [...starts.keys()],
  steps: readonly number[] = starts.map(() => 1),
): AxisSlice<T>[] {
  const lengths = [starts, ends, axes, steps].map((list) => list.length)
  if (new Set(lengths).size > 1) throw invalidNode(node, 'as many starts as ends, axes and steps', lengths.join(', '))
  if (steps.includes(0)) throw invalidNode(node, 'steps other than 0', '0')
  return axesOf(node, axes, rank).map((axis, index) => ({
    axis,
    start: starts[index]!,
    end: ends[index]!,
    step: steps[index]!,
  }))
}

/**
 * The first index and the number of indices that a slice takes from `size`. Bounds clamp as ONNX says: backwards, the
 * start to an index and the end to -1, where numpy lets both go to -1.
 */
export function sliceRange(size: number, start: number, end: number, step: number): { first: number; count: number } {
  const clamp = (bound: number, lowest: number, highest: number) =>
    Math.min(highest, Math.max(lowest, bound < 0 ? bound + size : bound))
  const highest = step > 0 ? size : size - 1
  const first = clamp(start, 0, highest)
  const last = clamp(end, step > 0 ? 0 : -1, highest)
  return { first: Math.max(0, first), count: Math.max(0, Math.ceil((last - first) / step)) }
}
