import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import { indexed } from './indexed.ts'

/** Any dtype; negative indices count from the end; one outside of the axis makes the run fail. */
interface GatherArgs {
  readonly data: View
  /** int64 or int32, any strides. */
  readonly indices: View
  /** [...data before the axis, ...indices, ...data after the axis] */
  readonly output: View
  readonly axis: number
}

export function gather({ data, indices, output, axis }: GatherArgs): Launch {
  const around = <T>(all: readonly T[], middle: readonly T[]) => [
    ...all.slice(0, axis),
    ...middle,
    ...all.slice(axis + 1),
  ]
  const none = data.strides.map(() => 0)
  return indexed({
    kind: 'gather',
    chosen: data,
    listed: output,
    indices,
    shape: around(data.shape, indices.shape),
    chosenStrides: around(
      data.strides,
      indices.shape.map(() => 0),
    ),
    indexStrides: around(none, indices.strides),
    coordinates: [axis],
  })
}

interface GatherElementsArgs {
  readonly data: View
  /** Of the output's shape. */
  readonly indices: View
  readonly output: View
  readonly axis: number
}

export function gatherElements({ data, indices, output, axis }: GatherElementsArgs): Launch {
  return indexed({
    kind: 'gather',
    chosen: data,
    listed: output,
    indices,
    shape: indices.shape,
    chosenStrides: data.strides.with(axis, 0),
    indexStrides: indices.strides,
    coordinates: [axis],
  })
}

interface GatherNdArgs {
  readonly data: View
  /** [batch..., ..., k]: k coordinates each, at most 4. */
  readonly indices: View
  /** [batch..., ..., ...data after the coordinates] */
  readonly output: View
  /** 0 if absent. */
  readonly batchDims?: number
}

export function gatherNd({ data, indices, output, batchDims = 0 }: GatherNdArgs): Launch {
  const places = indices.shape.slice(0, -1)
  const count = indices.shape.at(-1)!
  const last = batchDims + count
  return indexed({
    kind: 'gather',
    chosen: data,
    listed: output,
    indices,
    shape: [...places, ...data.shape.slice(last)],
    chosenStrides: [
      ...data.strides.slice(0, batchDims),
      ...places.slice(batchDims).map(() => 0),
      ...data.strides.slice(last),
    ],
    indexStrides: [...indices.strides.slice(0, -1), ...data.strides.slice(last).map(() => 0)],
    coordinates: Array.from({ length: count }, (_, index) => batchDims + index),
    coordinateStep: indices.strides.at(-1)!,
  })
}
