import type { Node } from '@lowlat/onnx'
import type { Facts } from './facts.ts'
import { inputOf, outputOf } from './nodes.ts'

/** How the windows of pooling and convolution lie: one element per spatial axis. */
export interface Windows {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly padsBefore: readonly number[]
  readonly padsAfter: readonly number[]
}

/** What ONNX's attributes say about windows of this size, 'auto_pad' among them. */
export function windowsOf(node: Node, facts: Facts, kernel: readonly number[]): Windows {
  const [input, output] = [facts.shape(inputOf(node)), facts.shape(outputOf(node))]
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
