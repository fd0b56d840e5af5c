import type { Node } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
import { type Windows, windowsOf } from '../windows.ts'
import { constantOperandOf } from './operands.ts'
import { isFloat } from './quantized.ts'

interface ConvolutionShape extends Windows {
  readonly group: number
}

export function convolutionShapeOf(node: Node, facts: Facts): ConvolutionShape {
  const kernel = facts.shape(node.inputs[1]!).slice(2)
  return { ...windowsOf(node, facts, kernel), group: node.int('group', 1) }
}

export function convolutionRefusal(node: Node, facts: Facts): string | undefined {
  const { dtype, shape } = facts.type(node.outputs[0]!)
  if (!isFloat(dtype)) return `has no kernel for ${dtype}`
  if (shape.length !== 3 && shape.length !== 4) return `has no kernel for ${shape.length - 2} spatial axes`
  if (!constantOperandOf(node.inputs[1]!, facts)) return 'needs weights that do not depend on data'
  return undefined
}
