import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import type { Quantization } from './epilogue.ts'

/** MaxPool and AveragePool. Global ones are `reduce` over the spatial axes. */
export interface PoolArgs {
  /** [N, C, spatial...] with one to three spatial axes, any strides (fast: contiguous channels): float32, float16, int8, uint8. */
  readonly input: View
  /** Its shape says how many windows there are (ceil_mode). */
  readonly output: View
  readonly operation: 'max' | 'average'
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly padsBefore: readonly number[]
  readonly padsAfter: readonly number[]
  /** Of averages: padding counts as zeros. */
  readonly countIncludePad?: boolean
  /** Of an int8 or uint8 input: required for averages; a maximum without both is one of the stored values. */
  readonly inputQuantization?: Quantization | undefined
  readonly outputQuantization?: Quantization | undefined
}

export declare function pool(args: PoolArgs): Launch
