import type { Node } from '@lowlat/onnx'
import { arithmeticRules } from './elementwise/arithmetic.ts'
import { batchNormalizationRules } from './elementwise/batch-normalization.ts'
import { castRules } from './elementwise/cast.ts'
import { functionRules } from './elementwise/functions.ts'
import { logicRules } from './elementwise/logic.ts'
import { quantizeRules } from './elementwise/quantize.ts'
import { layerRules } from './layers/rules.ts'
import { concatRules } from './movement/concat.ts'
import { rearrangeRules } from './movement/rearrange.ts'
import { viewRules } from './movement/views.ts'
import { argReduceRules } from './reduction/arg-reduce.ts'
import { normalizeRules } from './reduction/normalize.ts'
import { reduceRules } from './reduction/reduce.ts'
import { softmaxRules } from './reduction/softmax.ts'
import type { Rule, Rules } from './rule.ts'
import { constantOfShapeRules } from './selection/constant-of-shape.ts'
import { gatherRules } from './selection/gather.ts'
import { oneHotRules } from './selection/one-hot.ts'
import { scatterRules } from './selection/scatter.ts'
import { padRules } from './spatial/pad.ts'
import { poolRules } from './spatial/pool.ts'
import { resizeRules } from './spatial/resize.ts'

const families: readonly Rules[] = [
  layerRules,
  arithmeticRules,
  batchNormalizationRules,
  castRules,
  functionRules,
  logicRules,
  quantizeRules,
  concatRules,
  rearrangeRules,
  viewRules,
  argReduceRules,
  normalizeRules,
  reduceRules,
  softmaxRules,
  constantOfShapeRules,
  gatherRules,
  oneHotRules,
  scatterRules,
  padRules,
  poolRules,
  resizeRules,
]

const rules: ReadonlyMap<string, Rule> = new Map(families.flatMap((family) => Object.entries(family)))

export function ruleFor({ domain, opType }: Node): Rule | undefined {
  return rules.get(domain === '' || domain === 'ai.onnx' ? opType : `${domain}:${opType}`)
}

/** Operators that have a rule, by the names that `describeModel` gives them. */
export const loweredOperators: ReadonlySet<string> = new Set(rules.keys())
