import type { Tensor } from '@lowlat/core'
import { normalDomain } from '../graph/model-info.ts'
import type { Node } from '../graph/node.ts'
import { arithmetic } from './arithmetic.ts'
import { casts } from './cast.ts'
import { constants } from './constants.ts'
import { layout } from './layout.ts'
import { logic } from './logic.ts'
import { movement } from './movement.ts'
import { type Evaluator, Operands } from './operands.ts'
import { quantization } from './quantize.ts'
import { reductions } from './reduce.ts'

const evaluators: ReadonlyMap<string, Evaluator> = new Map(
  [arithmetic, casts, constants, layout, logic, movement, quantization, reductions].flatMap(Object.entries<Evaluator>),
)

/** Operators of ONNX's own domain that {@link evaluateNode} covers, for some or all dtypes. */
export const evaluatedOperators: ReadonlySet<string> = new Set(evaluators.keys())

export interface EvaluateOptions {
  /** Results with more elements are not computed. Default 2^26. */
  readonly maxElements?: number
}

/**
 * What a node computes from constants, exactly as ONNX defines it: numpy's broadcasting, integers that wrap, every
 * float result rounded to its dtype. `inputs` stand in the node's order, undefined where an optional one is left out.
 * Results may share memory with inputs (Identity, Reshape): treat them as read-only.
 * @returns one tensor per output; undefined where an input is not known, where the operator is not covered for these
 * dtypes, where ONNX leaves the result open (integers divided by 0), and for results beyond `maxElements`.
 * @throws ModelError MODEL_INVALID where the inputs or attributes contradict the operator's definition.
 */
export function evaluateNode(
  node: Node,
  inputs: readonly (Tensor | undefined)[],
  options: EvaluateOptions = {},
): readonly Tensor[] | undefined {
  const evaluator = normalDomain(node.domain) === '' ? evaluators.get(node.opType) : undefined
  const unknown = node.inputs.some((value, index) => value && !inputs[index])
  if (!evaluator || unknown) return undefined
  const results = evaluator(new Operands(node, inputs, options.maxElements ?? 2 ** 26))
  return results?.every((result) => result !== undefined) ? results : undefined
}
