import type { StructLayout } from '../program/struct.ts'
import { attentionLayout } from './attention.ts'
import { copyLayout } from './copy.ts'
import { depthwiseLayout } from './depthwise.ts'
import { elementwiseLayout } from './elementwise.ts'
import { indexedLayout } from './indexed.ts'
import { normalizeLayout } from './normalize.ts'
import { padLayout } from './pad.ts'
import { poolLayout } from './pool.ts'
import { productLayout } from './product.ts'
import { argReduceLayout, reduceLayout } from './reduce.ts'
import { resizeLayout } from './resize.ts'
import { signalLayout } from './signal.ts'
import { softmaxLayout } from './softmax.ts'
import { transposeLayout } from './transpose.ts'

/** The struct of every family of kernels, by its name in `kernels/`. */
export const layouts: Readonly<Record<string, StructLayout>> = {
  ArgReduceParams: argReduceLayout,
  AttentionParams: attentionLayout,
  CopyParams: copyLayout,
  DepthwiseParams: depthwiseLayout,
  ElementwiseParams: elementwiseLayout,
  IndexedParams: indexedLayout,
  NormalizeParams: normalizeLayout,
  PadParams: padLayout,
  PoolParams: poolLayout,
  ProductParams: productLayout,
  ReduceParams: reduceLayout,
  ResizeParams: resizeLayout,
  SignalParams: signalLayout,
  SoftmaxParams: softmaxLayout,
  TransposeParams: transposeLayout,
}
