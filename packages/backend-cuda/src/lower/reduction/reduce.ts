import type { DType } from '@lowlat/core'
import type { Node } from '@lowlat/onnx'
import { type Reduction, reduce } from '../../kernels/reduce.ts'
import { canStore } from '../elementwise/storage.ts'
import type { Facts } from '../facts.ts'
import { axisFrom, inputOf, needsKnown, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'

/** Floats in float32, integers in int64. */
const reducible: ReadonlySet<DType> = new Set<DType>([
  'float32',
  'float16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'bool',
])

/** Why no kernel reduces the first input of a node; undefined where one does. */
export function whyNotReduced(node: Node, facts: Facts): string | undefined {
  const dtype = facts.dtype(inputOf(node))
  return reducible.has(dtype) ? undefined : `has no kernel for ${dtype}`
}

/** The axes that go, an input since opset 18 (13 for ReduceSum); undefined where they depend on data. */
function reducedAxes(node: Node, facts: Facts): readonly number[] | undefined {
  const { length } = facts.shape(inputOf(node))
  const axes = node.inputs[1] ? facts.numbers(node.inputs[1]) : node.ints('axes', [])
  if (!axes) return undefined
  if (axes.length > 0) return axes.map((axis) => axisFrom(axis, length)).sort((a, b) => a - b)
  return node.int('noop_with_empty_axes', 0) === 1 ? [] : [...new Array(length).keys()]
}

function reduction(operation: Reduction): Rule {
  return {
    supports(node, facts) {
      const reason = whyNotReduced(node, facts)
      if (reason) return reason
      return reducedAxes(node, facts) ? undefined : needsKnown('axes')
    },
    lower(node, context) {
      const [input, output] = [context.viewOf(inputOf(node)), outputOf(node)]
      const place = context.destinationFor(output, { accepts: ({ dtype }) => canStore(dtype) })
      context.emit(reduce({ input, output: place, axes: reducedAxes(node, context.facts)!, operation }))
      context.define(output, place)
    },
  }
}

/** All places of all channels at once. */
function globalPool(operation: Reduction): Rule {
  return {
    supports: whyNotReduced,
    lower(node, context) {
      const [input, output] = [context.viewOf(inputOf(node)), outputOf(node)]
      const place = context.destinationFor(output, { layout: 'channels-last', accepts: ({ dtype }) => canStore(dtype) })
      const axes = input.shape.slice(2).map((_, index) => index + 2)
      context.emit(reduce({ input, output: place, axes, operation }))
      context.define(output, place)
    },
  }
}

export const reduceRules: Rules = {
  ReduceSum: reduction('sum'),
  ReduceMean: reduction('mean'),
  ReduceMax: reduction('max'),
  ReduceMin: reduction('min'),
  ReduceProd: reduction('product'),
  ReduceL1: reduction('l1'),
  ReduceL2: reduction('l2'),
  ReduceSumSquare: reduction('sumOfSquares'),
  ReduceLogSum: reduction('logSum'),
  ReduceLogSumExp: reduction('logSumExp'),
  GlobalAveragePool: globalPool('mean'),
  GlobalMaxPool: globalPool('max'),
}
