import type { Node } from '@lowlat/onnx'
import { scatterElements, scatterNd } from '../../kernels/scatter.ts'
import type { View } from '../../program/view.ts'
import type { Facts } from '../facts.ts'
import type { Lowering } from '../lowering.ts'
import { axisFrom, inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { maxCoordinates, placeFor, whyNoIndices } from './gather.ts'

function whyNot(node: Node, facts: Facts): string | undefined {
  const reduction = node.string('reduction', 'none')
  return reduction === 'none' ? whyNoIndices(node, facts) : `combines elements with '${reduction}'`
}

/** A copy of the data, which updates go over. */
function copyOfData(node: Node, context: Lowering): View {
  const data = context.viewOf(inputOf(node))
  const place = placeFor(node, data.dtype, context)
  context.copy(data, place)
  return place
}

const scatterElementsRule: Rule = {
  supports: whyNot,
  lower(node, context) {
    const output = copyOfData(node, context)
    const updates = context.viewOf(inputOf(node, 2), { dtype: output.dtype })
    const axis = axisFrom(node.int('axis', 0), output.shape.length)
    context.emit(scatterElements({ updates, indices: context.viewOf(inputOf(node, 1)), output, axis }))
    context.define(outputOf(node), output)
  },
}

const scatterNdRule: Rule = {
  supports(node, facts) {
    const coordinates = facts.shape(inputOf(node, 1)).at(-1)!
    return coordinates > maxCoordinates ? `has ${coordinates} coordinates per index` : whyNot(node, facts)
  },
  lower(node, context) {
    const output = copyOfData(node, context)
    const updates = context.viewOf(inputOf(node, 2), { dtype: output.dtype })
    context.emit(scatterNd({ updates, indices: context.viewOf(inputOf(node, 1)), output }))
    context.define(outputOf(node), output)
  },
}

export const scatterRules: Rules = {
  Scatter: scatterElementsRule,
  ScatterElements: scatterElementsRule,
  ScatterND: scatterNdRule,
}
