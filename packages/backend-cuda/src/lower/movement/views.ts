import type { Node } from '@lowlat/onnx'
import type { View } from '../../program/view.ts'
import type { Facts } from '../facts.ts'
import type { Lowering } from '../lowering.ts'
import { inputOf, needsKnown, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { broadcastView, reshapeView, sliceView, transposeView } from '../views.ts'

/** Another shape for the same elements: a view where strides allow it, else a copy straight to where the result is wanted. */
export function lowerReshape(context: Lowering, source: View, node: Node): void {
  const output = outputOf(node)
  const view = reshapeView(source, context.facts.shape(output))
  if (view) {
    context.define(output, view)
    return
  }
  const place = context.destinationFor(output, {
    dtype: source.dtype,
    accepts: (candidate) => reshapeView(candidate, source.shape) !== undefined,
  })
  context.copy(source, reshapeView(place, source.shape)!)
  context.define(output, place)
}

/** Operators whose result has the elements of the first input in the same order. */
const reshape: Rule = {
  supports: () => undefined,
  arrangement: {
    inputIn: (node, _index, place, facts) => reshapeView(place, facts.shape(inputOf(node))),
    outputOf: (node, input, facts) => reshapeView(input, facts.shape(outputOf(node))),
  },
  lower: (node, context) => lowerReshape(context, context.viewOf(inputOf(node)), node),
}

const dropout: Rule = {
  ...reshape,
  supports(node, facts) {
    if (node.outputs[1]?.uses.length) return 'has no kernel for the mask'
    const training = node.inputs[2] ? facts.numbers(node.inputs[2])?.[0] : 0
    return training === 0 ? undefined : 'trains, or may'
  },
}

function orderOf(node: Node, facts: Facts): readonly number[] {
  const { length } = facts.shape(inputOf(node))
  return node.ints('perm', [...new Array(length).keys()].reverse())
}

const inverse = (order: readonly number[]): number[] => order.map((_, axis) => order.indexOf(axis))

const transpose: Rule = {
  supports: () => undefined,
  arrangement: {
    inputIn: (node, _index, place, facts) => transposeView(place, inverse(orderOf(node, facts))),
    outputOf: (node, input, facts) => transposeView(input, orderOf(node, facts)),
  },
  lower(node, context) {
    context.define(outputOf(node), transposeView(context.viewOf(inputOf(node)), orderOf(node, context.facts)))
  },
}

const expand: Rule = {
  supports: () => undefined,
  lower(node, context) {
    const output = outputOf(node)
    context.define(output, broadcastView(context.viewOf(inputOf(node)), context.facts.shape(output)))
  },
}

const slice: Rule = {
  supports(node, facts) {
    const isKnown = (input: number, attribute: string) => !node.inputs[input] || facts.integers(node, input, attribute)
    const known = facts.integers(node, 1, 'starts') && isKnown(3, 'axes') && isKnown(4, 'steps')
    return known ? undefined : needsKnown('starts, axes and steps')
  },
  lower(node, context) {
    const { facts } = context
    const starts = facts.integers(node, 1, 'starts')!
    const axes = facts.integers(node, 3, 'axes') ?? [...starts.keys()]
    const steps = facts.integers(node, 4, 'steps') ?? starts.map(() => 1)
    const shape = facts.shape(outputOf(node))
    let view = context.viewOf(inputOf(node))
    for (const [index, given] of axes.entries()) {
      const axis = given < 0 ? given + shape.length : given
      const size = view.shape[axis]!
      const start = starts[index]! < 0 ? starts[index]! + size : starts[index]!
      const first = Math.max(0, Math.min(start, steps[index]! > 0 ? size : size - 1))
      view = sliceView(view, axis, first, shape[axis]!, steps[index]!)
    }
    context.define(outputOf(node), view)
  },
}

const split: Rule = {
  supports: () => undefined,
  lower(node, context) {
    const view = context.viewOf(inputOf(node))
    const given = node.int('axis', 0)
    const axis = given < 0 ? given + view.shape.length : given
    let start = 0
    for (const output of node.outputs) {
      if (!output) continue
      const count = context.facts.shape(output)[axis]!
      context.define(output, sliceView(view, axis, start, count))
      start += count
    }
  },
}

/** Operators that are another view of their input, with a copy only where a reshape needs one. */
export const viewRules: Rules = {
  Identity: reshape,
  Dropout: dropout,
  Reshape: reshape,
  Flatten: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Transpose: transpose,
  Expand: expand,
  Slice: slice,
  Split: split,
}
