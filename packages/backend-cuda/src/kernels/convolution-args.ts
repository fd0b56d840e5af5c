import type { DeviceFacts } from '../program/constants.ts'
import type { View } from '../program/view.ts'
import type { Epilogue } from './epilogue.ts'
import type { ProductPrecision } from './packing.ts'

/**
 * A convolution over one or two spatial axes. Any strides of input and output work; what is fast is contiguous channels in
 * multiples of 16 bytes at addresses that are multiples of 16 (for int8 also of 4).
 */
export interface ConvolutionArgs {
  readonly precision: ProductPrecision
  /**
   * [N, C, H, W] or [N, C, W]. Its dtype: float32 for fp32 and tf32; float16 or float32 for fp16 (float32 is rounded as it is
   * read); int8 or uint8 for int8. The float precisions read int8 and uint8, too, as the numbers that they are.
   */
  readonly input: View
  /** As `packConvolutionWeights` made it: [M, pitch]. */
  readonly weights: View
  /** [N, M, OH, OW] or [N, M, OW]: float32, float16, int8 or uint8. */
  readonly output: View
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Before the first element of each spatial axis; what is after the last follows from the output's shape. */
  readonly padsBefore: readonly number[]
  readonly group: number
  /** What padding reads as, in the stored values of an int8 or uint8 input: its zero point. 0 if absent. */
  readonly paddingValue?: number | undefined
  readonly epilogue?: Epilogue | undefined
  readonly device: DeviceFacts
  /** One of `convolutionTactics`; chosen by shape and device if absent. */
  readonly tactic?: string | undefined
  /**
   * Whether several blocks may share a tile, each with a part of the depth; true if absent. The program then needs
   * `withSplitCounters`.
   */
  readonly splitDepth?: boolean | undefined
}

/** A depthwise convolution: C groups of one channel, M = C. */
export type DepthwiseArgs = Omit<ConvolutionArgs, 'group' | 'weights' | 'splitDepth'> & {
  /**
   * As `packDepthwiseWeights` made it: [kernel elements, C]; for int8 also two such matrices, one below the other, whose
   * sums are the weights.
   */
  readonly weights: View
}

/** output = alpha a b + ..., over leading axes that broadcast where a stride is 0. */
export interface MatrixProductArgs {
  readonly precision: ProductPrecision
  /** [..., M, K], any strides; dtypes as for a convolution's input. */
  readonly a: View
  /**
   * [..., K, N] with any strides, of the same dtype class as a; or with `packed` [N, pitch] as `packMatrix` made it.
   * int8 wants int8 here.
   */
  readonly b: View
  readonly packed: boolean
  /** [..., M, N] */
  readonly output: View
  readonly epilogue?: Epilogue | undefined
  readonly device: DeviceFacts
  readonly tactic?: string | undefined
  /** As for a convolution. */
  readonly splitDepth?: boolean | undefined
}

/** softmax(query keyT scale + mask) value, the softmax over the keys. */
export interface AttentionArgs {
  readonly precision: 'fp32' | 'fp16'
  /** [B, H, Q, D]: like key, value and output contiguous along the last axis, any other strides; all of one dtype. */
  readonly query: View
  /** [B, H, K, D] */
  readonly key: View
  /** [B, H, K, D] */
  readonly value: View
  /** [B, H, Q, D] */
  readonly output: View
  readonly scale: number
  /** float32 or float16, of shape [B, H, Q, K] with stride 0 where it broadcasts. */
  readonly mask?: View | undefined
  readonly device: DeviceFacts
}
