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

/** Constant 8-bit weights with one scale for all or one per output channel; likewise their zero points. */
export interface QuantizedWeight {
  readonly integers: Value
  readonly scales: Value
  readonly isPerChannel: boolean
  /** Undefined where all are 0. */
  readonly zeroPoints: Value | undefined
  /** Axis of the output channels. */
  readonly axis: number
  /** Whether distances from the zero point may need nine bits: they are multiplied as sums of two int8. */
  readonly isWide: boolean
  readonly node: Node
}

/** @param axis of the output channels. */
export function quantizedWeightOf(value: Value | undefined, axis: number, facts: Facts): QuantizedWeight | undefined {
  const node = value?.producer
  if (!isOperator(node, 'DequantizeLinear') || node.int('block_size', 0) !== 0) return undefined
  const [integers, scales, zeroPoints] = node.inputs
  const constant = integers?.initializer
  const type = constant?.elementType
  if (!constant || (type !== 'int8' && type !== 'uint8') || scales?.initializer?.elementType !== 'float32')
    return undefined
  const zeros = zeroPoints ? facts.numbers(zeroPoints) : [0]
  // From here the farthest distance is 255, which is no sum of two int8.
  const lowest = type === 'int8' ? -128 : 0
  const isWide = type === 'uint8' || zeros?.some((zero) => zero !== 0) === true
  if (!zeros || (isWide && zeros.includes(lowest))) return undefined
  const lengths = [scales, zeroPoints].map((each) => lengthAlong(each, constant.shape[axis]!))
  if (lengths.includes(undefined)) return undefined
  const isPerChannel = lengths[0]! > 1
  const given = node.int('axis', 1)
  const isAlong = (given < 0 ? given + constant.shape.length : given) === axis
  if (!isAlong && lengths.some((length) => length! > 1)) return undefined
  return { integers, scales, isPerChannel, zeroPoints: isWide ? zeroPoints : undefined, axis, isWide, node }
}

/** 1 for a scalar, the number of channels for a vector of them. */
function lengthAlong(value: Value | undefined, channels: number): number | undefined {
  const shape = value?.initializer?.shape ?? []
  const [length = 1] = shape
  return shape.length <= 1 && (length === 1 || length === channels) ? length : undefined
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
