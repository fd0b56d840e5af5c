import { type DType, dtypes } from '@lowlat/core'
import type { Node, Value } from '@lowlat/onnx'
import type { Quantization } from '../../kernels/epilogue.ts'
import type { Facts } from '../facts.ts'

/** One scale and zero point for a whole tensor of 8-bit integers. */
export interface TensorQuantization extends Quantization {
  readonly dtype: 'int8' | 'uint8'
}

/** A real value and the integers that stand for it. */
export interface QuantizedValue {
  readonly integers: Value
  readonly quantization: TensorQuantization
  /** DequantizeLinear. */
  readonly node: Node
}

const isStandard = ({ domain }: Node) => domain === '' || domain === 'ai.onnx'

export const isOperator = (node: Node | undefined, ...opTypes: readonly string[]): node is Node =>
  node !== undefined && isStandard(node) && opTypes.includes(node.opType)

/** How a QuantizeLinear or DequantizeLinear quantizes; undefined unless by one known scale and zero point, to 8 bits. */
export function tensorQuantization(node: Node, facts: Facts): TensorQuantization | undefined {
  const integers = node.opType === 'QuantizeLinear' ? node.outputs[0] : node.inputs[0]
  const dtype = integers && facts.typeIfKnown(integers)?.dtype
  if (dtype !== 'int8' && dtype !== 'uint8') return undefined
  const scale = only(facts.numbers(node.inputs[1]))
  const zeroPoint = node.inputs[2] ? only(facts.numbers(node.inputs[2])) : 0
  return scale === undefined || zeroPoint === undefined ? undefined : { dtype, scale, zeroPoint }
}

const only = (numbers: readonly number[] | undefined) => (numbers?.length === 1 ? numbers[0] : undefined)

/** The integers behind a real value of the model that depends on a run. */
export function quantizedValueOf(value: Value | undefined, facts: Facts): QuantizedValue | undefined {
  const node = value?.producer
  if (!isOperator(node, 'DequantizeLinear') || facts.isConstant(node.inputs[0]!)) return undefined
  const quantization = tensorQuantization(node, facts)
  return quantization && { integers: node.inputs[0]!, quantization, node }
}

/** Constant int8 weights, symmetric, with one scale for all or one per output channel. */
export interface QuantizedWeight {
  readonly integers: Value
  readonly scales: Value
  readonly isPerChannel: boolean
  readonly node: Node
}

/** @param axis of the output channels, of which there are `channels`. */
export function quantizedWeightOf(value: Value | undefined, axis: number, facts: Facts): QuantizedWeight | undefined {
  const node = value?.producer
  if (!isOperator(node, 'DequantizeLinear') || node.int('block_size', 0) !== 0) return undefined
  const [integers, scales, zeroPoints] = node.inputs
  if (integers?.initializer?.elementType !== 'int8' || scales?.initializer?.elementType !== 'float32') return undefined
  if (zeroPoints && !facts.numbers(zeroPoints)?.every((zero) => zero === 0)) return undefined
  const { shape } = integers.initializer
  const scaleShape = scales.initializer.shape
  const isPerChannel = !(scaleShape.length === 0 || (scaleShape.length === 1 && scaleShape[0] === 1))
  const weight = { integers, scales, isPerChannel, node }
  if (!isPerChannel) return weight
  const given = node.int('axis', 1)
  const isAlongChannels = (given < 0 ? given + shape.length : given) === axis
  return isAlongChannels && scaleShape.length === 1 && scaleShape[0] === shape[axis] ? weight : undefined
}

/** An int32 bias whose steps are the product of the scales of input and weights: it is added to the sums. */
export function quantizedBiasOf(
  value: Value | undefined,
  inputScale: number,
  weight: QuantizedWeight,
  facts: Facts,
): { readonly integers: Value; readonly node: Node } | undefined {
  const node = value?.producer
  if (!isOperator(node, 'DequantizeLinear') || node.int('block_size', 0) !== 0) return undefined
  const [integers, scales, zeroPoints] = node.inputs
  if (integers?.initializer?.elementType !== 'int32' || integers.initializer.shape.length !== 1) return undefined
  if (zeroPoints && !facts.numbers(zeroPoints)?.every((zero) => zero === 0)) return undefined
  const [steps, weightScales] = [facts.numbers(scales), facts.numbers(weight.scales)]
  if (!steps || !weightScales) return undefined
  const channels = integers.initializer.shape[0]!
  for (let channel = 0; channel < channels; channel++) {
    const step = steps.length === 1 ? steps[0]! : steps[channel]
    const product = inputScale * (weight.isPerChannel ? weightScales[channel]! : weightScales[0]!)
    if (step === undefined || Math.abs(step - product) > maxStepError * product) return undefined
  }
  return { integers, node }
}

/** Some tools multiply the scales in double precision before they round, some after. */
const maxStepError = 2 ** -20

export const isFloat = (dtype: DType | undefined): boolean =>
  dtype !== undefined && dtypes[dtype].kind === 'float' && (dtype === 'float32' || dtype === 'float16')
