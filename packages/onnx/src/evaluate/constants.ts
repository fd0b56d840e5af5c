import { type DType, isDType, Tensor } from '@lowlat/core'
import type { Node } from '../graph/node.ts'
import { holdsValues, isWide, newValues, tensorFromValues, valuesOf } from './elements.ts'
import { invalidNode, shapeText } from './invalid-node.ts'
import { type Evaluator, integersOf, sameDType, strided } from './operands.ts'

/** A Constant of strings or of sparse data has no tensor. */
const constant: Evaluator = ({ node }) => {
  const { attributes } = node
  if (attributes.has('value')) {
    const initializer = node.tensor('value')
    return isDType(initializer.elementType) && !initializer.isExternal ? [initializer.tensor] : undefined
  }
  if (attributes.has('value_float')) return [float32([], [node.float('value_float')])]
  if (attributes.has('value_floats'))
    return [float32([node.floats('value_floats').length], node.floats('value_floats'))]
  if (attributes.has('value_int')) return [int64([], exactInts(node, 'value_int'))]
  if (attributes.has('value_ints')) {
    const values = exactInts(node, 'value_ints')
    return [int64([values.length], values)]
  }
  return undefined
}

/** Int attributes with all their 64 bits. */
function exactInts(node: Node, name: string): readonly bigint[] {
  const attribute = node.attributes.get(name)
  if (attribute?.type === 'int') return [attribute.value]
  if (attribute?.type === 'ints') return attribute.value
  throw invalidNode(node, `integers in the attribute '${name}'`, attribute?.type ?? 'none')
}

function float32(shape: readonly number[], values: readonly number[]): Tensor {
  return new Tensor<DType>('float32', shape, Float32Array.from(values))
}

export function int64(shape: readonly number[], values: readonly (number | bigint)[]): Tensor {
  return new Tensor<DType>('int64', shape, BigInt64Array.from(values, BigInt))
}

/** A shape that is handed in as a tensor. @throws ModelError MODEL_INVALID for negative sizes. */
export function sizesOf(node: Node, tensor: Tensor): number[] {
  const sizes = integersOf(node, tensor)
  if (sizes.every((size) => size >= 0 && Number.isSafeInteger(size))) return sizes
  throw invalidNode(node, 'sizes of 0 or more', shapeText(sizes))
}

const constantOfShape: Evaluator = (operands) => {
  const { node } = operands
  const shape = sizesOf(node, operands.input(0))
  if (!operands.fits(shape)) return undefined
  if (!node.attributes.has('value')) return [Tensor.zeros<DType>('float32', shape)]
  const { tensor } = node.tensor('value')
  if (tensor.size !== 1) throw invalidNode(node, "one element in the attribute 'value'", shapeText(tensor.shape))
  return [strided(tensor, shape, new Array(shape.length).fill(0))]
}

/** From opset 15 on, the axes from `start` to `end`, counted and clamped as in a slice. */
export function shapeBounds(node: Node, rank: number): readonly [number, number] {
  const clamp = (axis: number) => Math.min(rank, Math.max(0, axis < 0 ? axis + rank : axis))
  return [clamp(node.int('start', 0)), clamp(node.int('end', rank))]
}

const shapeOf: Evaluator = (operands) => {
  const { shape } = operands.input(0)
  const axes = shape.slice(...shapeBounds(operands.node, shape.length))
  return [int64([axes.length], axes)]
}

const size: Evaluator = (operands) => [int64([], [operands.input(0).size])]

/** Every element is the one before plus delta, each rounded, as in the operator's function body. */
const range: Evaluator = (operands) => {
  const { node } = operands
  const limits = [operands.input(0), operands.input(1), operands.input(2)]
  const dtype = sameDType(node, limits)
  const values = limits.map((tensor) => {
    if (tensor.size !== 1) throw invalidNode(node, 'scalars', shapeText(tensor.shape))
    return valuesOf(tensor)?.[0]
  })
  const [start, limit, delta] = values
  if (start === undefined || limit === undefined || delta === undefined || !holdsValues(dtype)) return undefined
  const count = Math.max(0, Math.ceil((Number(limit) - Number(start)) / Number(delta)))
  if (Number(delta) === 0 || Number.isNaN(count)) throw invalidNode(node, 'a step other than 0', String(delta))
  if (!operands.fits([count])) return undefined
  const out = newValues(dtype, count)
  if (count > 0) out[0] = start
  for (let i = 1; i < count; i++) {
    out[i] = isWide(dtype) ? BigInt(out[i - 1]!) + BigInt(delta) : Number(out[i - 1]) + Number(delta)
  }
  return [tensorFromValues(dtype, [count], out)]
}

export const constants: Readonly<Record<string, Evaluator>> = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Shape: shapeOf,
  Size: size,
  Range: range,
}
