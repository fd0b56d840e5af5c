import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import type { Quantization } from './epilogue.ts'

export type Reduction =
  | 'sum'
  | 'mean'
  | 'max'
  | 'min'
  | 'product'
  | 'l1'
  | 'l2'
  | 'sumOfSquares'
  | 'logSum'
  | 'logSumExp'

/** Sums in float32, of integers in int64. */
export interface ReduceArgs {
  readonly input: View
  /** Of the input's shape with the reduced axes left out, or of size 1. */
  readonly output: View
  /** Not negative. */
  readonly axes: readonly number[]
  readonly operation: Reduction
  /** With an int8 or uint8 input: reduces the real values it stands for, in float32. */
  readonly inputQuantization?: Quantization | undefined
  readonly outputQuantization?: Quantization | undefined
}

export declare function reduce(args: ReduceArgs): Launch

export interface ArgReduceArgs {
  readonly input: View
  /** int64 or int32, of the input's shape with the axis left out, or of size 1. */
  readonly output: View
  readonly axis: number
  readonly operation: 'argMax' | 'argMin'
  /** Of equal elements the last one instead of the first. */
  readonly selectLast?: boolean
}

export declare function argReduce(args: ArgReduceArgs): Launch
