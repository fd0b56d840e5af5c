import type { Node } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
import { constantOperandOf } from './operands.ts'
import { isFloat } from './quantized.ts'

/**
 * The part of a transposed convolution that gives every `stride`-th element of an axis, from `phase` on: an ordinary convolution of
 * the input with some of the taps, in the reverse order.
 */
export interface AxisPhase {
  readonly phase: number
  /** How many elements it gives. */
  readonly count: number
  /** Indices of the kernel, in the order in which the input runs. Without any, the result is 0. */
  readonly taps: readonly number[]
  readonly dilation: number
  /** Elements of padding before the input; negative where the first are not read. */
  readonly padBefore: number
}

interface TransposedAxis {
  readonly input: number
  readonly output: number
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly padBefore: number
}

/** output[i stride + k dilation - pad] += input[i] weight[k], sorted by what the output's index leaves divided by the stride. */
export function phasesOf({ output, kernel, stride, dilation, padBefore }: TransposedAxis): AxisPhase[] {
  return Array.from({ length: Math.min(stride, output) }, (_, phase): AxisPhase => {
    const count = Math.ceil((output - phase) / stride)
    const taps = [...new Array(kernel).keys()]
      .filter((tap) => (phase + padBefore - tap * dilation) % stride === 0)
      .reverse()
    if (taps.length === 0) return { phase, count, taps, dilation: 1, padBefore: 0 }
    const [first, second = first! - 1] = taps
    return {
      phase,
      count,
      taps,
      dilation: taps.length > 1 ? ((first! - second) * dilation) / stride : 1,
      padBefore: (first! * dilation - phase - padBefore) / stride,
    }
  })
}

export function transposedAxesOf(node: Node, facts: Facts): TransposedAxis[] {
  const [inputs, kernels, outputs] = [node.inputs[0]!, node.inputs[1]!, node.outputs[0]!].map((value) =>
    facts.shape(value).slice(2),
  )
  const ones = kernels!.map(() => 1)
  const [strides, dilations] = [node.ints('strides', ones), node.ints('dilations', ones)]
  const extra = node.ints(
    'output_padding',
    ones.map(() => 0),
  )
  const mode = node.string('auto_pad', 'NOTSET')
  const isGiven = mode === 'NOTSET' && !node.attributes.has('output_shape')
  return kernels!.map((kernel, axis) => {
    const [input, output, stride, dilation] = [inputs![axis]!, outputs![axis]!, strides[axis]!, dilations[axis]!]
    const total = stride * (input - 1) + extra[axis]! + (kernel - 1) * dilation + 1 - output
    const derived = mode === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2)
    const given = node.attributes.has('pads') ? node.ints('pads')[axis]! : 0
    return { input, output, kernel, stride, dilation, padBefore: isGiven ? given : mode === 'VALID' ? 0 : derived }
  })
}

/** More launches than this would take longer than they save. */
const maxPhases = 64

export function transposedRefusal(node: Node, facts: Facts): string | undefined {
  const { dtype, shape } = facts.type(node.outputs[0]!)
  if (!isFloat(dtype)) return `has no kernel for ${dtype}`
  if (shape.length !== 3 && shape.length !== 4) return `has no kernel for ${shape.length - 2} spatial axes`
  if (!constantOperandOf(node.inputs[1]!, facts)) return 'needs weights that do not depend on data'
  const phases = transposedAxesOf(node, facts).reduce((product, { stride }) => product * stride, 1)
  return phases > maxPhases ? `has no kernel for strides of ${node.ints('strides').join(' x ')}` : undefined
}
