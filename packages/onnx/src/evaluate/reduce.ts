import { dtypes, sizeOf } from '@lowlat/core'
import { add, divide, maximum, minimum, multiply } from './arithmetic.ts'
import {
  copyStrided,
  type Elements,
  holdsValues,
  isWide,
  newValues,
  stridesOf,
  tensorFromValues,
  valuesOf,
} from './elements.ts'
import type { BinaryRule } from './elementwise.ts'
import { invalidNode, shapeText } from './invalid-node.ts'
import type { Evaluator } from './operands.ts'

interface Reduction {
  readonly rule: Required<BinaryRule>
  /** The result of reducing nothing; without one, that is an error. */
  readonly empty?: number
  readonly mean?: boolean
}

/** Floats are accumulated in double precision and rounded once. */
function reduction({ rule, empty, mean }: Reduction): Evaluator {
  return (operands) => {
    const { node } = operands
    const tensor = operands.input(0)
    const { dtype, shape } = tensor
    const { kind } = dtypes[dtype]
    const given = operands.axes(1, shape.length) ?? []
    if (given.length === 0 && node.int('noop_with_empty_axes', 0) !== 0) return [tensor]
    const axes = given.length > 0 ? given : [...shape.keys()]
    const values = kind !== 'bool' && holdsValues(dtype) ? valuesOf(tensor) : undefined
    if (!values) return undefined
    const kept = [...shape.keys()].filter((axis) => !axes.includes(axis))
    const sizes = (list: readonly number[]) => list.map((axis) => shape[axis]!)
    const count = sizeOf(sizes(axes))
    const groups = sizeOf(sizes(kept))
    if (count === 0 && groups > 0 && (empty === undefined || mean)) {
      throw invalidNode(node, 'at least one element to reduce', shapeText(shape))
    }
    const strides = stridesOf(shape)
    const sorted: Elements = kind === 'float' ? new Float64Array(tensor.size) : newValues(dtype, tensor.size)
    const order = [...kept, ...axes]
    copyStrided(
      values,
      sorted,
      sizes(order),
      order.map((axis) => strides[axis]!),
      0,
    )
    const wide = isWide(dtype)
    const apply = (wide ? rule.bigint : rule.number) as (a: unknown, b: unknown, type: typeof dtype) => number | bigint
    const quotient = (wide ? divide.bigint : divide.number) as typeof apply
    const divisor = wide ? BigInt(count) : count
    const out = newValues(dtype, groups)
    for (let group = 0; group < groups; group++) {
      let result: number | bigint = count > 0 ? sorted[group * count]! : wide ? BigInt(empty!) : empty!
      for (let i = group * count + 1; i < (group + 1) * count; i++) result = apply(result, sorted[i]!, dtype)
      out[group] = mean ? quotient(result, divisor, dtype) : result
    }
    const keepdims = node.int('keepdims', 1) === 1
    const resultShape = keepdims ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size)) : sizes(kept)
    return [tensorFromValues(dtype, resultShape, out)]
  }
}

export const reductions: Readonly<Record<string, Evaluator>> = {
  ReduceSum: reduction({ rule: add, empty: 0 }),
  ReduceProd: reduction({ rule: multiply, empty: 1 }),
  ReduceMin: reduction({ rule: minimum }),
  ReduceMax: reduction({ rule: maximum }),
  ReduceMean: reduction({ rule: add, mean: true }),
}
