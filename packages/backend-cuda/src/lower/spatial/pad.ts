import type { Node } from '@lowlat/onnx'
import { type PadArgs, pad } from '../../kernels/pad.ts'
import { canStore } from '../elementwise/storage.ts'
import type { Facts } from '../facts.ts'
import { axisOrder } from '../layout.ts'
import { axisFrom, inputOf, needsKnown, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { sliceView } from '../views.ts'

const modes: ReadonlySet<string> = new Set<PadArgs['mode']>(['constant', 'reflect', 'edge', 'wrap'])

/** Elements before each axis, undefined where they depend on data. */
function padsBefore(node: Node, facts: Facts): readonly number[] | undefined {
  const { length } = facts.shape(inputOf(node))
  const pads = facts.integers(node, 1, node.attributes.has('paddings') ? 'paddings' : 'pads')
  const axes = node.inputs[3] ? facts.numbers(node.inputs[3]) : [...new Array(length).keys()]
  if (!pads || !axes) return undefined
  const before = new Array<number>(length).fill(0)
  for (const [index, axis] of axes.entries()) before[axisFrom(axis, length)] = pads[index]!
  return before
}

function paddingOf(node: Node, facts: Facts): number | undefined {
  return node.inputs[2] ? facts.numbers(node.inputs[2])?.[0] : node.float('value', 0)
}

const padRule: Rule = {
  supports(node, facts) {
    const dtype = facts.dtype(inputOf(node))
    if (!canStore(dtype)) return `has no kernel for ${dtype}`
    const mode = node.string('mode', 'constant')
    if (!modes.has(mode)) return `has no kernel for the mode '${mode}'`
    return padsBefore(node, facts) && paddingOf(node, facts) !== undefined ? undefined : needsKnown('pads and a value')
  },
  lower(node, context) {
    const { facts } = context
    const output = outputOf(node)
    const mode = node.string('mode', 'constant') as PadArgs['mode']
    const before = padsBefore(node, facts)!
    let input = context.viewOf(inputOf(node))
    const place = context.destinationFor(output, {
      dtype: input.dtype,
      layout: axisOrder(input),
      accepts: ({ dtype }) => dtype === input.dtype,
    })
    // What is cut off does not take part in mirroring.
    for (const [axis, count] of before.entries()) {
      const after = place.shape[axis]! - input.shape[axis]! - count
      const [first, last] = [Math.max(0, -count), input.shape[axis]! + Math.min(0, after)]
      input = sliceView(input, axis, first, Math.max(0, last - first))
    }
    const padded = before.map((count) => Math.max(0, count))
    context.emit(pad({ input, output: place, padsBefore: padded, mode, value: paddingOf(node, facts)! }))
    context.define(output, place)
  },
}

export const padRules: Rules = { Pad: padRule }
