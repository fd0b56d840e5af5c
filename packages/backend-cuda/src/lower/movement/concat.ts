import type { Node, Value } from '@lowlat/onnx'
import type { View } from '../../program/view.ts'
import type { Facts } from '../facts.ts'
import { axisOrder } from '../layout.ts'
import { axisFrom, inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { sameView, sliceView } from '../views.ts'

function axisOf(node: Node, facts: Facts): number {
  // Before opset 4 there was a default.
  return axisFrom(node.int('axis', 1), facts.shape(outputOf(node)).length)
}

/** Where each part lies in the result. */
function partsOf(node: Node, place: View, facts: Facts): View[] {
  const axis = axisOf(node, facts)
  let start = 0
  return node.inputs.map((input) => {
    const count = facts.shape(input!)[axis]!
    start += count
    return sliceView(place, axis, start - count, count)
  })
}

/** A tensor whose parts these views are already, side by side; undefined where they are not. */
function joined(views: readonly View[], axis: number): View | undefined {
  const [first, ...rest] = views.filter((view) => view.shape[axis]! > 0)
  if (!first) return undefined
  let size = first.shape[axis]!
  for (const view of rest) {
    const next = { ...sliceView(first, axis, size, view.shape[axis]!), dtype: view.dtype }
    if (view.dtype !== first.dtype || !sameView(next, view)) return undefined
    size += view.shape[axis]!
  }
  return { ...first, shape: first.shape.with(axis, size) }
}

const imageOperators: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool'])

/** Whether a reader would copy it to channels-last otherwise. */
function isReadAsImage(value: Value): boolean {
  return value.uses.some((use) => use.kind === 'node' && imageOperators.has(use.node.opType))
}

/** Parts whose producers could not write straight into the result are copied there. */
const concat: Rule = {
  supports: () => undefined,
  takesEmpty: true,
  arrangement: { inputIn: (node, index, place, facts) => partsOf(node, place, facts)[index] },
  lower(node, context) {
    const { facts } = context
    const output = outputOf(node)
    const axis = axisOf(node, facts)
    const views = node.inputs.map((_, index) => context.viewOf(inputOf(node, index)))
    const layout = isReadAsImage(output) ? 'channels-last' : axisOrder(views[0]!)
    const place = context.destinationFor(output, { layout, accepts: () => true })
    const parts = partsOf(node, place, facts)
    const inPlace = parts.filter((part, index) => sameView(part, views[index]!)).length
    // All lie side by side elsewhere, for example in a larger concatenation.
    const found = inPlace === 0 ? joined(views, axis) : undefined
    if (!found) {
      for (const [index, part] of parts.entries()) if (!sameView(part, views[index]!)) context.copy(views[index]!, part)
    }
    context.define(output, found ?? place)
  },
}

export const concatRules: Rules = { Concat: concat }
