import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'

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

export declare function resize(args: ResizeArgs): Launch
