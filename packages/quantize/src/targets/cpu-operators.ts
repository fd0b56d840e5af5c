import type { Node, Value } from '@lowlat/onnx'
import { weightedLayerOf } from '../graph/weighted-layer.ts'

/**
 * How ONNX Runtime's CPU kernels compute an operator on integers:
 * - 'layer': has weights;
 * - 'computes': gives new values, with a scale of their own;
 * - 'joins': Concat, whose inputs and output each may have their own scale;
 * - 'moves': gives elements of its input, or values between them, under the same scale.
 */
export interface IntegerKernel {
  readonly kind: 'layer' | 'computes' | 'joins' | 'moves'
  /** Indices of the inputs that are activations. */
  readonly inputs: readonly number[]
  /** Whether the result may stay in float although the inputs are integers. */
  readonly floatOutput: boolean
}

const computes = new Set(['AveragePool', 'GlobalAveragePool', 'LeakyRelu', 'Sigmoid'])
const moves = new Set([
  ...['Expand', 'Flatten', 'Gather', 'Reshape', 'Slice', 'Split', 'Squeeze', 'Tile', 'Transpose', 'Unsqueeze'],
  ...['MaxPool', 'Resize'],
])

/** After ONNX Runtime's QDQ selectors (optimizer/qdq_transformer). Undefined where the operator runs in float. */
export function integerKernelOf(node: Node): IntegerKernel | undefined {
  const { opType, domain } = node
  if (domain !== '') return undefined
  const layer = weightedLayerOf(node)
  if (layer) {
    if (opType === 'ConvTranspose' || (layer.bias && layer.bias.initializer?.elementType !== 'float32'))
      return undefined
    return { kind: 'layer', inputs: [0], floatOutput: opType !== 'Conv' }
  }
  const kernel = (kind: IntegerKernel['kind'], count = 1): IntegerKernel | undefined => {
    const inputs = Array.from({ length: count }, (_, index) => index)
    return inputs.every((index) => isActivation(node.inputs[index])) ? { kind, inputs, floatOutput: false } : undefined
  }
  if (opType === 'Concat') return kernel('joins', node.inputs.length)
  if (opType === 'Add' || opType === 'Mul') return kernel('computes', 2)
  if (computes.has(opType)) return kernel('computes')
  return moves.has(opType) && keepsRange(node) ? kernel('moves') : undefined
}

const isActivation = (value: Value | undefined) => value !== undefined && !value.initializer

/** Cubic interpolation overshoots, and the indices of MaxPool are no activation. */
function keepsRange(node: Node): boolean {
  if (node.opType === 'Resize') {
    const outside = node.string('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize'
    return node.string('mode', 'nearest') !== 'cubic' && !outside
  }
  return node.opType !== 'MaxPool' || node.outputs.filter(Boolean).length === 1
}
