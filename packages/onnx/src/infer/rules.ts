import { normalDomain } from '../graph/model-info.ts'
import type { Node } from '../graph/node.ts'
import { contrib } from './rules/contrib.ts'
import { controlFlow } from './rules/control-flow.ts'
import { convolution } from './rules/convolution.ts'
import { elementwise } from './rules/elementwise.ts'
import { generation } from './rules/generation.ts'
import { layout } from './rules/layout.ts'
import { matrix } from './rules/matrix.ts'
import { normalization } from './rules/normalization.ts'
import { pooling } from './rules/pooling.ts'
import { quantization } from './rules/quantization.ts'
import { recurrence } from './rules/recurrent.ts'
import { reduction } from './rules/reduction.ts'
import { resizing } from './rules/resize.ts'
import { selection } from './rules/selection.ts'
import type { Rule } from './site.ts'

const families = [
  contrib,
  controlFlow,
  convolution,
  elementwise,
  generation,
  layout,
  matrix,
  normalization,
  pooling,
  quantization,
  recurrence,
  reduction,
  resizing,
  selection,
]

const rules: ReadonlyMap<string, Rule> = new Map(families.flatMap((family) => Object.entries(family)))

/** Operators whose output types can be inferred, by the names that `describeModel` gives them. */
export const claimedOperators: ReadonlySet<string> = new Set(rules.keys())

export function ruleFor(node: Node): Rule | undefined {
  const domain = normalDomain(node.domain)
  return rules.get(domain === '' ? node.opType : `${domain}:${node.opType}`)
}
