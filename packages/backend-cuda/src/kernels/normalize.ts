import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'

/**
 * (x - mean) / sqrt(variance + epsilon) * scale + bias, mean and variance over some axes: LayerNormalization (the last
 * axes), InstanceNormalization (the spatial ones), GroupNormalization (of a view [N, groups, C / groups, ...] all after the groups).
 */
export interface NormalizeArgs {
  /** float32 or float16, any strides. */
  readonly input: View
  /** The same shape; may be the input itself. */
  readonly output: View
  /** Not negative. */
  readonly axes: readonly number[]
  /** float32 or float16, broadcast to the input's shape as numpy does. */
  readonly scale?: View | undefined
  readonly bias?: View | undefined
  readonly epsilon: number
  /** 'rms' divides by sqrt(mean of squares + epsilon) and subtracts nothing. 'layer' if absent. */
  readonly kind?: 'layer' | 'rms'
  /** Added to the input before, broadcast to its shape. */
  readonly residual?: View | undefined
  /** Where input + residual goes, if it is read elsewhere. */
  readonly sum?: View | undefined
}

export declare function normalize(args: NormalizeArgs): Launch
