import type { DType } from '@lowlat/core'
import type { Node } from '@lowlat/onnx'
import { type PoolArgs, pool } from '../../kernels/pool.ts'
import type { Facts } from '../facts.ts'
import { inputOf, isRead, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'

const pooled: ReadonlySet<DType> = new Set<DType>(['float32', 'float16', 'int8', 'uint8'])

/** How windows lie, as ONNX's pooling and convolution operators say it. */
interface Windows {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly padsBefore: readonly number[]
  readonly padsAfter: readonly number[]
}

function windowsOf(node: Node, facts: Facts): Windows {
  const [input, output] = [facts.shape(inputOf(node)), facts.shape(outputOf(node))]
  const kernel = node.ints('kernel_shape')
  const ones = kernel.map(() => 1)
  const strides = node.ints('strides', ones)
  const dilations = node.ints('dilations', ones)
  const given = node.ints('pads', [...ones, ...ones].fill(0))
  const auto = node.string('auto_pad', 'NOTSET')
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const totals = kernel.map((size, i) => {
      const covered = (output[i + 2]! - 1) * strides[i]! + (size - 1) * dilations[i]! + 1
      return Math.max(0, covered - input[i + 2]!)
    })
    const smaller = totals.map((total) => Math.floor(total / 2))
    const larger = totals.map((total) => Math.ceil(total / 2))
    const [padsBefore, padsAfter] = auto === 'SAME_UPPER' ? [smaller, larger] : [larger, smaller]
    return { kernel, strides, dilations, padsBefore: padsBefore!, padsAfter: padsAfter! }
  }
  const pads = auto === 'VALID' ? given.map(() => 0) : given
  return {
    kernel,
    strides,
    dilations,
    padsBefore: pads.slice(0, kernel.length),
    padsAfter: pads.slice(kernel.length),
  }
}

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
      context.emit(pool({ input, output: place, operation, ...windowsOf(node, context.facts), countIncludePad }))
      context.define(output, place)
    },
  }
}

export const poolRules: Rules = {
  MaxPool: poolRule('max', pooled),
  AveragePool: poolRule('average', new Set<DType>(['float32', 'float16'])),
}
