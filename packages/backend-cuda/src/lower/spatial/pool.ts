import type { DType } from '@lowlat/core'
import { type PoolArgs, pool } from '../../kernels/pool.ts'
import { inputOf, isRead, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { windowsOf } from '../windows.ts'

const pooled: ReadonlySet<DType> = new Set<DType>(['float32', 'float16', 'int8', 'uint8'])

function poolRule(operation: PoolArgs['operation'], types: ReadonlySet<DType>): Rule {
  return {
    supports(node, facts) {
      const dtype = facts.dtype(inputOf(node))
      if (!types.has(dtype)) return `has no kernel for ${dtype}`
      if (isRead(node.outputs[1])) return 'gives indices'
      return node.ints('kernel_shape').length > 3 ? 'has more than three spatial axes' : undefined
    },
    lower(node, context) {
      const output = outputOf(node)
      const input = context.viewOf(inputOf(node))
      const place = context.destinationFor(output, {
        layout: 'channels-last',
        accepts: ({ dtype }) => dtype === 'float32' || dtype === 'float16' || dtype === input.dtype,
      })
      const countIncludePad = node.int('count_include_pad', 0) === 1
      const windows = windowsOf(node, context.facts, node.ints('kernel_shape'))
      context.emit(pool({ input, output: place, operation, ...windows, countIncludePad }))
      context.define(output, place)
    },
  }
}

export const poolRules: Rules = {
  MaxPool: poolRule('max', pooled),
  AveragePool: poolRule('average', new Set<DType>(['float32', 'float16'])),
}
