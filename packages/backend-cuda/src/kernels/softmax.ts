import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'

export interface SoftmaxArgs {
  /** float32 or float16, any strides. */
  readonly input: View
  /** The same shape; may be the input itself. */
  readonly output: View
  /** One axis, or several that are normalised together. Not negative. */
  readonly axes: readonly number[]
  /** LogSoftmax. */
  readonly logarithm?: boolean
}

export declare function softmax(args: SoftmaxArgs): Launch
