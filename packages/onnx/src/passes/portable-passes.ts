import { addBias } from './add-bias.ts'
import { fixWeights } from './fix-weights.ts'
import { foldBatchNormalization } from './fold-batch-normalization.ts'
import { foldConstants } from './fold-constants.ts'
import { inferTypesPass } from './infer-types.ts'
import { mergeCasts } from './merge-casts.ts'
import { mergeEqual } from './merge-equal.ts'
import { mergeReshapes } from './merge-reshapes.ts'
import { mergeTransposes } from './merge-transposes.ts'
import { nameNodesPass } from './name-nodes.ts'
import type { Pass } from './pass.ts'
import { removeDeadCode } from './remove-dead-code.ts'
import { removeIdentities } from './remove-identities.ts'
import { simplifyQuantization } from './simplify-quantization.ts'

/** What helps every backend and changes no result but by rounding, in the order in which one prepares the next. */
export const portablePasses: readonly Pass[] = Object.freeze([
  fixWeights,
  removeDeadCode,
  inferTypesPass,
  foldConstants,
  removeIdentities,
  mergeCasts,
  mergeReshapes,
  mergeTransposes,
  simplifyQuantization,
  mergeEqual,
  foldBatchNormalization,
  addBias,
  removeDeadCode,
  nameNodesPass,
])
