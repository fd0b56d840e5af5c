import { type DType, dtypes, Tensor } from '@lowlat/core'
import {
  broadcastStrides,
  type Elements,
  holdsValues,
  isWide,
  newValues,
  tensorFromValues,
  valuesOf,
} from './elements.ts'
import { invalidNode } from './invalid-node.ts'
import { broadcastShape, broadcastValues, type Evaluator, type Operands, sameDType } from './operands.ts'

/** What an operator does with two numbers, and with two 64-bit integers; undefined where ONNX defines no result. */
export interface BinaryRule {
  readonly number?: (a: number, b: number, dtype: DType) => number | undefined
  readonly bigint?: (a: bigint, b: bigint) => bigint | undefined
}

/** Operands repeated to their common shape; undefined for dtypes without values and for results that are too large. */
function broadcastOperands(operands: Operands, tensors: readonly Tensor[]) {
  const shape = broadcastShape(operands.node, ...tensors.map((tensor) => tensor.shape))
  if (!operands.fits(shape)) return undefined
  const values: Elements[] = []
  for (const tensor of tensors) {
    const list = broadcastValues(tensor, shape, broadcastStrides(tensor.shape, shape))
    if (!list) return undefined
    values.push(list)
  }
  return { shape, values }
}

/** Combines tensors of any two dtypes into `dtype`, element by element; undefined where any element has no result. */
export function combine(
  operands: Operands,
  a: Tensor,
  b: Tensor,
  dtype: DType,
  rule: (a: never, b: never, dtype: DType) => number | bigint | undefined,
): Tensor | undefined {
  if (!holdsValues(dtype)) return undefined
  const operandValues = broadcastOperands(operands, [a, b])
  if (!operandValues) return undefined
  const { shape, values } = operandValues
  const [left, right] = values as [Elements, Elements]
  const apply = rule as (a: number | bigint, b: number | bigint, dtype: DType) => number | bigint | undefined
  const out = newValues(dtype, left.length)
  for (let i = 0; i < left.length; i++) {
    const value = apply(left[i]!, right[i]!, dtype)
    if (value === undefined) return undefined
    out[i] = value
  }
  return tensorFromValues(dtype, shape, out)
}

/** Two operands and a result of one type. */
export function binary(rule: BinaryRule): Evaluator {
  return (operands) => {
    const [a, b] = [operands.input(0), operands.input(1)]
    // Before opset 7 one operand was aligned to the other by attributes.
    if (operands.node.attributes.has('broadcast')) return undefined
    const dtype = sameDType(operands.node, [a, b])
    const apply = isWide(dtype) ? rule.bigint : rule.number
    return apply && [combine(operands, a, b, dtype, apply)]
  }
}

/** Any number of operands, combined from left to right. */
export function variadic(rule: Required<BinaryRule>): Evaluator {
  return (operands) => {
    const tensors = operands.inputs.map((_, index) => operands.input(index))
    if (tensors.length === 0) throw invalidNode(operands.node, 'at least one input', 'none')
    const dtype = sameDType(operands.node, tensors)
    const apply = isWide(dtype) ? rule.bigint : rule.number
    let result: Tensor | undefined = tensors[0]
    for (const tensor of tensors.slice(1)) result = result && combine(operands, result, tensor, dtype, apply)
    return [result]
  }
}

export interface UnaryRule {
  readonly float?: (value: number) => number
  readonly integer?: (value: number) => number
  readonly bigint?: (value: bigint) => bigint
}

/** One operand; which rule applies depends on its type. */
export function unary(rule: UnaryRule): Evaluator {
  return (operands) => {
    const tensor = operands.input(0)
    const { dtype, shape, size } = tensor
    const { kind } = dtypes[dtype]
    const apply =
      kind === 'float' ? rule.float : isWide(dtype) ? rule.bigint : kind === 'bool' ? undefined : rule.integer
    const values = apply && holdsValues(dtype) && valuesOf(tensor)
    if (!values) return undefined
    const out = newValues(dtype, size)
    for (let i = 0; i < size; i++) out[i] = (apply as (value: number | bigint) => number | bigint)(values[i]!)
    return [tensorFromValues(dtype, shape, out)]
  }
}

/** A bool tensor with `test` of every element. */
export function mapToBool(tensor: Tensor, test: (value: number | bigint) => boolean): Tensor | undefined {
  const values = valuesOf(tensor)
  if (!values) return undefined
  const out = new Uint8Array(tensor.size)
  for (let i = 0; i < out.length; i++) out[i] = test(values[i]!) ? 1 : 0
  return new Tensor<DType>('bool', tensor.shape, out)
}
