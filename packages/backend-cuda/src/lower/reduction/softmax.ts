import type { Node } from '@lowlat/onnx'
import { softmax } from '../../kernels/softmax.ts'
import type { Facts } from '../facts.ts'
import { halfOrSingle, isHalfOrSingle } from '../floats.ts'
import { axisOrder } from '../layout.ts'
import { axisFrom, inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'

/** One axis since opset 13; all from the axis on before. */
function axesOf(node: Node, facts: Facts): number[] {
  const { length } = facts.shape(inputOf(node))
  if (facts.opset >= 13) return [axisFrom(node.int('axis', -1), length)]
  const first = axisFrom(node.int('axis', 1), length)
  return Array.from({ length: length - first }, (_, index) => first + index)
}

function softmaxRule(logarithm: boolean): Rule {
  return {
    supports: (node, facts) => halfOrSingle(node, facts),
    lower(node, context) {
      const [input, output] = [context.viewOf(inputOf(node)), outputOf(node)]
      const place = context.destinationFor(output, {
        layout: axisOrder(input),
        accepts: ({ dtype }) => isHalfOrSingle(dtype),
      })
      context.emit(softmax({ input, output: place, axes: axesOf(node, context.facts), logarithm }))
      context.define(output, place)
    },
  }
}

export const softmaxRules: Rules = { Softmax: softmaxRule(false), LogSoftmax: softmaxRule(true) }
