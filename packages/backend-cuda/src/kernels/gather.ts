import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'

/** Any dtype; negative indices count from the end; one outside of the axis makes the run fail. */
export interface GatherArgs {
  readonly data: View
  /** int64 or int32, any strides. */
  readonly indices: View
  /** [...data before the axis, ...indices, ...data after the axis] */
  readonly output: View
  readonly axis: number
}

export declare function gather(args: GatherArgs): Launch

export interface GatherElementsArgs {
  readonly data: View
  /** Of the output's shape. */
  readonly indices: View
  readonly output: View
  readonly axis: number
}

export declare function gatherElements(args: GatherElementsArgs): Launch

export interface GatherNdArgs {
  readonly data: View
  /** [batch..., ..., k]: k coordinates each, at most 4. */
  readonly indices: View
  /** [batch..., ..., ...data after the coordinates] */
  readonly output: View
  /** 0 if absent. */
  readonly batchDims?: number
}

export declare function gatherNd(args: GatherNdArgs): Launch
