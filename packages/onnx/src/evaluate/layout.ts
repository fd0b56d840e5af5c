/** Operators that give the same elements another shape or order. */
import { type Shape, sizeOf, type Tensor } from '@lowlat/core'
import type { Node } from '../graph/node.ts'
import { stridesOf } from './elements.ts'
import { axesOf, axisOf, invalidNode, shapeText } from './invalid-node.ts'
import { type Evaluator, strided } from './operands.ts'

const identity: Evaluator = (operands) => [operands.input(0)]

/** Sizes with 0 for "as in the input" and -1 for "whatever is left". */
function reshaped(node: Node, from: Shape, target: readonly number[]): Shape {
  const copies = node.int('allowzero', 0) === 0
  const shape = target.map((size, axis) => {
    if (size !== 0 || !copies) return size
    if (axis < from.length) return from[axis]!
    throw invalidNode(node, `a size for axis ${axis}, which the input ${shapeText(from)} lacks`, '0')
  })
  const open = shape.indexOf(-1)
  const rest = sizeOf(shape.filter((_, axis) => axis !== open))
  if (open >= 0 && rest > 0) shape[open] = sizeOf(from) / rest
  const valid = shape.every((size) => Number.isSafeInteger(size) && size >= 0) && sizeOf(shape) === sizeOf(from)
  if (valid) return shape
  throw invalidNode(node, `a shape for the ${sizeOf(from)} elements of ${shapeText(from)}`, shapeText(target))
}

const reshape: Evaluator = (operands) => {
  const tensor = operands.input(0)
  const target = operands.integers(1, 'shape')
  if (!target) throw invalidNode(operands.node, 'a shape', 'none')
  return [tensor.reshape(reshaped(operands.node, tensor.shape, target))]
}

const flatten: Evaluator = (operands) => {
  const tensor = operands.input(0)
  const { shape } = tensor
  const axis = operands.node.int('axis', 1)
  // Here an axis is a place between axes: the rank itself is one.
  const split = axis === shape.length ? axis : axisOf(operands.node, axis, shape.length)
  return [tensor.reshape([sizeOf(shape.slice(0, split)), sizeOf(shape.slice(split))])]
}

const squeeze: Evaluator = (operands) => {
  const tensor = operands.input(0)
  const { shape } = tensor
  const axes = operands.axes(1, shape.length)
  const bad = axes?.find((axis) => shape[axis] !== 1)
  if (bad !== undefined) throw invalidNode(operands.node, `size 1 on axis ${bad}`, shapeText(shape))
  return [tensor.reshape(shape.filter((size, axis) => (axes ? !axes.includes(axis) : size !== 1)))]
}

const unsqueeze: Evaluator = (operands) => {
  const tensor = operands.input(0)
  const axes = operands.integers(1, 'axes')
  if (!axes) throw invalidNode(operands.node, 'axes', 'none')
  const rank = tensor.shape.length + axes.length
  const added = axesOf(operands.node, axes, rank)
  const sizes = [...tensor.shape]
  return [tensor.reshape(Array.from({ length: rank }, (_, axis) => (added.includes(axis) ? 1 : sizes.shift()!)))]
}

/** The permutation of a Transpose; reversed axes by default. @throws ModelError MODEL_INVALID. */
export function permutationOf(node: Node, rank: number): readonly number[] {
  const reversed = Array.from({ length: rank }, (_, axis) => rank - 1 - axis)
  const perm = axesOf(node, node.ints('perm', reversed), rank)
  if (perm.length === rank) return perm
  throw invalidNode(node, `a permutation of ${rank} axes`, shapeText(perm))
}

const transpose: Evaluator = (operands) => {
  const tensor: Tensor = operands.input(0)
  const perm = permutationOf(operands.node, tensor.shape.length)
  const strides = stridesOf(tensor.shape)
  const [shape, order] = [perm.map((axis) => tensor.shape[axis]!), perm.map((axis) => strides[axis]!)]
  return [strided(tensor, shape, order)]
}

export const layout: Readonly<Record<string, Evaluator>> = {
  Identity: identity,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
}
