import type { Node } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
import { constantOperandOf } from './operands.ts'
import { isFloat } from './quantized.ts'

/** Sizes of a convolution, one element per spatial axis. */
interface ConvolutionShape {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly padsBefore: readonly number[]
  readonly group: number
}

export function convolutionShapeOf(node: Node, facts: Facts): ConvolutionShape {
  const input = facts.shape(node.inputs[0]!).slice(2)
  const output = facts.shape(node.outputs[0]!).slice(2)
  const kernel = facts.shape(node.inputs[1]!).slice(2)
  const ones = kernel.map(() => 1)
  const strides = node.ints('strides', ones)
  const dilations = node.ints('dilations', ones)
  const padsBefore = kernel.map((size, axis) => {
    const mode = node.string('auto_pad', 'NOTSET')
    if (mode === 'VALID') return 0
    if (mode === 'NOTSET' || mode === '') return node.attributes.has('pads') ? node.ints('pads')[axis]! : 0
    const reach = (size - 1) * dilations[axis]! + 1
    const total = Math.max(0, (output[axis]! - 1) * strides[axis]! + reach - input[axis]!)
    return mode === 'SAME_LOWER' ? Math.ceil(total / 2) : Math.floor(total / 2)
  })
  return { kernel, strides, dilations, padsBefore, group: node.int('group', 1) }
}

export function convolutionRefusal(node: Node, facts: Facts): string | undefined {
  const { dtype, shape } = facts.type(node.outputs[0]!)
  if (!isFloat(dtype)) return `has no kernel for ${dtype}`
  if (shape.length !== 3 && shape.length !== 4) return `has no kernel for ${shape.length - 2} spatial axes`
  if (!constantOperandOf(node.inputs[1]!, facts)) return 'needs weights that do not depend on data'
  return undefined
}
