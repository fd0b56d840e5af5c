import { type DType, dtypeFromOnnx, dtypes, type Tensor } from '@lowlat/core'
import { holdsValues, isWide, newValues, tensorFromValues, valuesOf } from './elements.ts'
import { mapToBool } from './elementwise.ts'
import type { Evaluator } from './operands.ts'

/**
 * The elements in another dtype: floats are cut towards zero and integers wrap, as ONNX's Cast defines. Undefined for
 * dtypes without values, and where a float has no integer of the target's range, which ONNX leaves open.
 */
function castTensor(tensor: Tensor, dtype: DType): Tensor | undefined {
  if (tensor.dtype === dtype) return tensor
  if (dtype === 'bool') return mapToBool(tensor, (value) => Number(value) !== 0)
  const values = holdsValues(dtype) ? valuesOf(tensor) : undefined
  if (!values) return undefined
  const convert = conversion(tensor.dtype, dtype)
  const out = newValues(dtype, tensor.size)
  for (let i = 0; i < tensor.size; i++) {
    const value = convert(values[i]!)
    if (value === undefined) return undefined
    out[i] = value
  }
  return tensorFromValues(dtype, tensor.shape, out)
}

type Conversion = (value: number | bigint) => number | bigint | undefined

function conversion(from: DType, to: DType): Conversion {
  const toWide = isWide(to)
  if (dtypes[to].kind === 'float')
    return isWide(from) && to !== 'float64' ? (value) => roundedToOdd(BigInt(value)) : Number
  if (dtypes[from].kind !== 'float') return toWide ? BigInt : wrapped
  const { bits, kind } = dtypes[to]
  const lowest = kind === 'int' ? -(2 ** (bits - 1)) : 0
  const end = kind === 'int' ? 2 ** (bits - 1) : 2 ** bits
  return (value) => {
    const whole = Math.trunc(Number(value))
    if (!(whole >= lowest && whole < end)) return undefined
    return toWide ? BigInt(whole) : whole
  }
}

/** The low 32 bits, of which narrower arrays keep what they hold. */
function wrapped(value: number | bigint): number {
  return typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : value
}

/** A 64-bit integer as a number that rounds to narrower floats as the integer itself would. */
function roundedToOdd(value: bigint): number {
  if (BigInt.asIntN(54, value) === value) return Number(value)
  const sticky = (value & 0xfffn) === 0n ? 0n : 1n
  return Number((value >> 12n) | sticky) * 4096
}

const cast: Evaluator = (operands) => {
  const dtype = dtypeFromOnnx(operands.node.int('to'))
  return dtype && [castTensor(operands.input(0), dtype)]
}

const castLike: Evaluator = (operands) => [castTensor(operands.input(0), operands.input(1).dtype)]

export const casts: Readonly<Record<string, Evaluator>> = { Cast: cast, CastLike: castLike }
