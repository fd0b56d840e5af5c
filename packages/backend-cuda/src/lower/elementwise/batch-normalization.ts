import type { Node } from '@lowlat/onnx'
import type { View } from '../../program/view.ts'
import { inputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { reshapeView } from '../views.ts'
import { constant, type ProgramBuilder, type Term } from './builder.ts'
import { byInput, elementwiseRule } from './element-rule.ts'

/** A vector with one element per channel, beside [N, C, spatial...]. */
function perChannel(node: Node, index: number, builder: ProgramBuilder): Term {
  const value = inputOf(node, index)
  const { length } = builder.facts.shape(inputOf(node))
  const shape = [builder.facts.shape(value)[0]!, ...new Array<number>(Math.max(0, length - 2)).fill(1)]
  return builder.arranged(value, (view: View) => reshapeView(view, shape)!)
}

/** (x - mean) / sqrt(variance + epsilon) * scale + bias, where no convolution took it in. */
const batchNormalization: Rule = elementwiseRule(
  {
    computes: byInput(),
    build(node, builder) {
      const [scale, bias, mean, variance] = [1, 2, 3, 4].map((index) => perChannel(node, index, builder))
      const deviation = builder.apply('sqrt', builder.apply('add', variance!, constant(node.float('epsilon', 1e-5))))
      const centred = builder.apply('sub', builder.operand(inputOf(node)), mean!)
      const factor = builder.apply('div', scale!, deviation)
      return builder.apply('add', builder.apply('mul', centred, factor), bias!)
    },
  },
  (node) => {
    if (node.int('training_mode', 0) === 1) return 'trains'
    if (node.int('spatial', 1) === 0) return 'has statistics per place'
    return node.outputs.some((output, index) => index > 0 && output?.uses.length) ? 'gives statistics' : undefined
  },
)

export const batchNormalizationRules: Rules = { BatchNormalization: batchNormalization }
