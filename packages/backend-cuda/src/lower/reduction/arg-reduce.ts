import { type ArgReduceArgs, argReduce } from '../../kernels/reduce.ts'
import { axisFrom, inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { whyNotReduced } from './reduce.ts'

function argRule(operation: ArgReduceArgs['operation']): Rule {
  return {
    supports: whyNotReduced,
    lower(node, context) {
      const [input, output] = [context.viewOf(inputOf(node)), outputOf(node)]
      const place = context.destinationFor(output, { accepts: ({ dtype }) => dtype === 'int64' })
      const axis = axisFrom(node.int('axis', 0), input.shape.length)
      const selectLast = node.int('select_last_index', 0) === 1
      context.emit(argReduce({ input, output: place, axis, operation, selectLast }))
      context.define(output, place)
    },
  }
}

export const argReduceRules: Rules = { ArgMax: argRule('argMax'), ArgMin: argRule('argMin') }
