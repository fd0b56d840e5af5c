import type { Tensor } from '@lowlat/core'
import { broadcastStrides, codesOf, newCodes, tensorFromCodes } from './elements.ts'
import { combine, mapToBool } from './elementwise.ts'
import { invalidNode } from './invalid-node.ts'
import { broadcastShape, type Evaluator, type Operands, sameDType, strided } from './operands.ts'

type Test<T> = (a: T, b: T) => boolean

/** Two operands of one type, and a bool for every pair of elements. */
function comparison(test: Test<number | bigint>): Evaluator {
  return (operands) => {
    const [a, b] = [operands.input(0), operands.input(1)]
    // Before opset 7 one operand was aligned to the other by attributes.
    if (operands.node.attributes.has('broadcast')) return undefined
    sameDType(operands.node, [a, b])
    return [combine(operands, a, b, 'bool', (x, y) => Number(test(x, y)))]
  }
}

function bool(operands: Operands, index: number): Tensor {
  const tensor = operands.input(index)
  if (tensor.dtype === 'bool') return tensor
  throw invalidNode(operands.node, `a bool tensor as input ${index}`, tensor.dtype)
}

function connective(test: Test<boolean>): Evaluator {
  const compare = comparison((a, b) => test(a !== 0, b !== 0))
  return (operands) => {
    bool(operands, 0)
    return compare(operands)
  }
}

const not: Evaluator = (operands) => [mapToBool(bool(operands, 0), (value) => value === 0)]

const where: Evaluator = (operands) => {
  const [condition, a, b] = [bool(operands, 0), operands.input(1), operands.input(2)]
  const dtype = sameDType(operands.node, [a, b])
  const shape = broadcastShape(operands.node, condition.shape, a.shape, b.shape)
  if (!operands.fits(shape)) return undefined
  const [choice, left, right] = [condition, a, b].map((tensor) => {
    const whole = strided(tensor, shape, broadcastStrides(tensor.shape, shape))
    return whole && codesOf(whole)
  })
  if (!choice || !left || !right) return undefined
  const out = newCodes(dtype, choice.length)
  for (let i = 0; i < choice.length; i++) out[i] = choice[i] === 0 ? right[i]! : left[i]!
  return [tensorFromCodes(dtype, shape, out)]
}

export const logic: Readonly<Record<string, Evaluator>> = {
  Equal: comparison((a, b) => a === b),
  Greater: comparison((a, b) => a > b),
  GreaterOrEqual: comparison((a, b) => a >= b),
  Less: comparison((a, b) => a < b),
  LessOrEqual: comparison((a, b) => a <= b),
  And: connective((a, b) => a && b),
  Or: connective((a, b) => a || b),
  Xor: connective((a, b) => a !== b),
  Not: not,
  Where: where,
}
