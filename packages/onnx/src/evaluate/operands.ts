import { type DType, dtypes, type Shape, sizeOf, type Tensor } from '@lowlat/core'
import type { Node } from '../graph/node.ts'
import { codesOf, copyStrided, type Elements, newCodes, tensorFromCodes, valuesOf } from './elements.ts'
import { axesOf, invalidNode, shapeText } from './invalid-node.ts'

/** One result per output of the node; undefined where the operator is not covered for these operands. */
export type Evaluator = (operands: Operands) => readonly (Tensor | undefined)[] | undefined

/** A node with the constants that it reads. */
export class Operands {
  readonly node: Node
  readonly inputs: readonly (Tensor | undefined)[]
  readonly maxElements: number

  constructor(node: Node, inputs: readonly (Tensor | undefined)[], maxElements: number) {
    this.node = node
    this.inputs = inputs
    this.maxElements = maxElements
  }

  /** @throws ModelError MODEL_INVALID when the input is absent. */
  input(index: number): Tensor {
    const tensor = this.inputs[index]
    if (tensor) return tensor
    throw invalidNode(this.node, `an input ${index}`, `${this.inputs.length} inputs`)
  }

  /** Whether a result of this shape may be made. */
  fits(shape: Shape): boolean {
    return sizeOf(shape) <= this.maxElements
  }

  /**
   * A list of integers that is an input in newer operator sets and was an attribute in older ones.
   * @throws ModelError MODEL_INVALID where the input is no list of integers.
   */
  integers(index: number, attribute: string): number[] | undefined {
    const tensor = this.inputs[index]
    if (tensor) return integersOf(this.node, tensor)
    return this.node.attributes.has(attribute) ? [...this.node.ints(attribute)] : undefined
  }

  /** As {@link integers}, as axes counted from 0. */
  axes(index: number, rank: number): number[] | undefined {
    const axes = this.integers(index, 'axes')
    return axes && axesOf(this.node, axes, rank)
  }
}

/** @throws ModelError MODEL_INVALID for other dtypes and for more than one axis. */
export function integersOf(node: Node, tensor: Tensor): number[] {
  if (tensor.shape.length > 1 || !['int', 'uint'].includes(dtypes[tensor.dtype].kind)) {
    throw invalidNode(node, 'a list of integers', `${tensor.dtype} ${shapeText(tensor.shape)}`)
  }
  return Array.from(valuesOf(tensor)!, Number)
}

/** The elements of `tensor` at strides, as a tensor of another shape; undefined for dtypes without codes. */
export function strided(
  tensor: Tensor,
  shape: Shape,
  strides: readonly number[],
  offset = 0,
  resultShape = shape,
): Tensor | undefined {
  const codes = codesOf(tensor)
  if (!codes) return undefined
  const out = newCodes(tensor.dtype, sizeOf(shape))
  copyStrided(codes, out, shape, strides, offset)
  return tensorFromCodes(tensor.dtype, resultShape, out)
}

/** The shape that shapes broadcast to, as numpy does. @throws ModelError MODEL_INVALID where they do not fit. */
export function broadcastShape(node: Node, ...shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length))
  return Array.from({ length: rank }, (_, axis) => {
    let size = 1
    for (const shape of shapes) {
      const dim = shape[axis - rank + shape.length] ?? 1
      if (dim === 1 || dim === size) continue
      if (size !== 1) throw invalidNode(node, 'shapes that broadcast', shapes.map(shapeText).join(' and '))
      size = dim
    }
    return size
  })
}

/** Values of a tensor, repeated to fill a shape; undefined for dtypes without values. */
export function broadcastValues(tensor: Tensor, shape: Shape, strides: readonly number[]): Elements | undefined {
  const values = valuesOf(tensor)
  if (!values || tensor.size === sizeOf(shape)) return values
  const out = newLike(values, sizeOf(shape))
  copyStrided(values, out, shape, strides, 0)
  return out
}

function newLike(values: Elements, length: number): Elements {
  return new (values.constructor as new (length: number) => Elements)(length)
}

/** Refuses operands of different types, which ONNX never converts. */
export function sameDType(node: Node, tensors: readonly Tensor[]): DType {
  const { dtype } = tensors[0]!
  const other = tensors.find((tensor) => tensor.dtype !== dtype)
  if (!other) return dtype
  throw invalidNode(node, 'operands of one type', `${dtype} and ${other.dtype}`)
}
