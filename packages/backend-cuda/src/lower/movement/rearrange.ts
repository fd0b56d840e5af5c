import type { Node } from '@lowlat/onnx'
import type { View } from '../../program/view.ts'
import type { Lowering } from '../lowering.ts'
import { inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { broadcastView, reshapeView, transposeView } from '../views.ts'
import { lowerReshape } from './views.ts'

/** The view under a shape that splits its axes; a copy first where its strides do not allow that. */
function splitAxes(context: Lowering, view: View, shape: readonly number[]): View {
  return reshapeView(view, shape) ?? reshapeView(context.contiguous(view), shape)!
}

const depthToSpace: Rule = {
  supports: () => undefined,
  lower(node, context) {
    const view = context.viewOf(inputOf(node))
    const [n, c, h, w] = view.shape as [number, number, number, number]
    const block = node.int('blocksize')
    const depth = c / (block * block)
    const [shape, order] =
      node.string('mode', 'DCR') === 'DCR'
        ? [
            [n, block, block, depth, h, w],
            [0, 3, 4, 1, 5, 2],
          ] // blocks, then depth
        : [
            [n, depth, block, block, h, w],
            [0, 1, 4, 2, 5, 3],
          ]
    lowerReshape(context, transposeView(splitAxes(context, view, shape), order), node)
  },
}

const spaceToDepth: Rule = {
  supports: () => undefined,
  lower(node, context) {
    const view = context.viewOf(inputOf(node))
    const [n, c, h, w] = view.shape as [number, number, number, number]
    const block = node.int('blocksize')
    const blocks = splitAxes(context, view, [n, c, h / block, block, w / block, block])
    lowerReshape(context, transposeView(blocks, [0, 3, 5, 1, 2, 4]), node)
  },
}

/** The input with an axis of repetitions (stride 0) before each axis that is repeated. */
const tile: Rule = {
  supports: () => undefined,
  lower(node: Node, context) {
    const output = outputOf(node)
    const view = context.viewOf(inputOf(node))
    const shape = context.facts.shape(output)
    const split: number[] = []
    const repeated: number[] = []
    for (const [axis, size] of view.shape.entries()) {
      if (shape[axis] !== size) {
        split.push(1)
        repeated.push(shape[axis]! / size)
      }
      split.push(size)
      repeated.push(size)
    }
    lowerReshape(context, broadcastView(reshapeView(view, split)!, repeated), node)
  },
}

export const rearrangeRules: Rules = { DepthToSpace: depthToSpace, SpaceToDepth: spaceToDepth, Tile: tile }
