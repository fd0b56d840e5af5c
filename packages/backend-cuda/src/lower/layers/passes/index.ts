import { type Pass, portablePasses } from '@lowlat/onnx'
import { expandIntegerOperators } from './expand-integer-operators.ts'
import { foldIntoScales } from './fold-batch-normalization.ts'
import { moveQuantization } from './move-quantization.ts'
import { separateDequantize } from './separate-dequantize.ts'
import { shiftWeights } from './shift-weights.ts'

/** Run together until nothing changes; then {@link lastPasses}. */
export const preparingPasses: readonly Pass[] = [
  ...portablePasses,
  expandIntegerOperators,
  foldIntoScales,
  shiftWeights,
  moveQuantization,
]

/** Run once, at the end: portable passes would undo them. */
export const lastPasses: readonly Pass[] = [separateDequantize]
