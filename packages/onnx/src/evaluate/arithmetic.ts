import { type DType, dtypes } from '@lowlat/core'
import { isWide } from './elements.ts'
import { type BinaryRule, binary, combine, type UnaryRule, unary, variadic } from './elementwise.ts'
import type { Evaluator } from './operands.ts'

const isFloat = (dtype: DType) => dtypes[dtype].kind === 'float'

export const add: Required<BinaryRule> = { number: (a, b) => a + b, bigint: (a, b) => a + b }

export const multiply: Required<BinaryRule> = {
  // The product of two 32-bit integers needs 64 bits, a number keeps 53.
  number: (a, b, dtype) => (isFloat(dtype) ? a * b : Math.imul(a, b)),
  bigint: (a, b) => a * b,
}

export const divide: Required<BinaryRule> = {
  // Integers are divided towards zero; by zero they have no quotient.
  number: (a, b, dtype) => (isFloat(dtype) ? a / b : b === 0 ? undefined : Math.trunc(a / b)),
  bigint: (a, b) => (b === 0n ? undefined : a / b),
}

export const minimum: Required<BinaryRule> = {
  number: (a, b) => Math.min(a, b),
  // biome-ignore lint/complexity/useMathMinMax: Math.min takes no bigint
  bigint: (a, b) => (a > b ? b : a),
}

export const maximum: Required<BinaryRule> = {
  number: (a, b) => Math.max(a, b),
  // biome-ignore lint/complexity/useMathMinMax: Math.max takes no bigint
  bigint: (a, b) => (a < b ? b : a),
}

/** The remainder with the divisor's sign, as Python's %. */
const floorModulo: BinaryRule = {
  number: (a, b, dtype) => (isFloat(dtype) || b === 0 ? undefined : ((a % b) + b) % b),
  bigint: (a, b) => (b === 0n ? undefined : ((a % b) + b) % b),
}

/** The remainder with the dividend's sign, as C's fmod. */
const truncatedModulo: BinaryRule = {
  number: (a, b, dtype) => (!isFloat(dtype) && b === 0 ? undefined : a % b),
  bigint: (a, b) => (b === 0n ? undefined : a % b),
}

/** Integer power by squaring, kept to 64 bits; towards zero for negative exponents. */
function integerPower(base: bigint, exponent: bigint): bigint | undefined {
  if (exponent < 0n) {
    if (base === 0n) return undefined
    return base === 1n ? 1n : base === -1n ? (exponent % 2n === 0n ? 1n : -1n) : 0n
  }
  let result = 1n
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = BigInt.asIntN(64, result * square)
    square = BigInt.asIntN(64, square * square)
  }
  return result
}

/** The exponent may have another type; the result has the base's. */
const power: Evaluator = (operands) => {
  const [base, exponent] = [operands.input(0), operands.input(1)]
  if (operands.node.attributes.has('broadcast')) return undefined
  const { dtype } = base
  const wide = isWide(dtype)
  const integral = (value: number) => (wide ? BigInt(Math.trunc(value)) : Math.trunc(value))
  const rule = (a: number | bigint, b: number | bigint) => {
    if (isFloat(dtype)) return Number(a) ** Number(b)
    if (isFloat(exponent.dtype)) {
      const value = Number(a) ** Number(b)
      return Math.abs(value) < 2 ** (dtypes[dtype].bits - 1) ? integral(value) : undefined
    }
    const value = integerPower(BigInt(a), BigInt(b))
    return wide || value === undefined ? value : Number(BigInt.asIntN(32, value))
  }
  return [combine(operands, base, exponent, dtype, rule)]
}

/** Means of operands are of floats only. */
const mean: Evaluator = (operands) => {
  const sums = variadic(add)(operands)
  const sum = sums?.[0]
  if (!sum || !isFloat(sum.dtype)) return undefined
  const count = operands.inputs.length
  return [combine(operands, sum, sum, sum.dtype, (a: number) => a / count)]
}

/** To the nearest integer, ties to even; keeps the sign of zero. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  const up = rest === 0.5 ? floor % 2 !== 0 : !(rest < 0.5)
  return up ? (floor === -1 ? -0 : floor + 1) : floor
}

const floats = (float: (value: number) => number): Evaluator => unary({ float })

const negate: UnaryRule = { float: (a) => -a, integer: (a) => -a, bigint: (a) => -a }
const absolute: UnaryRule = { float: Math.abs, integer: Math.abs, bigint: (a) => (a < 0n ? -a : a) }
const sign: UnaryRule = { float: Math.sign, integer: Math.sign, bigint: (a) => (a > 0n ? 1n : a < 0n ? -1n : 0n) }

export const arithmetic: Readonly<Record<string, Evaluator>> = {
  Add: binary(add),
  Sub: binary({ number: (a, b) => a - b, bigint: (a, b) => a - b }),
  Mul: binary(multiply),
  Div: binary(divide),
  Mod: (operands) => binary(operands.node.int('fmod', 0) === 0 ? floorModulo : truncatedModulo)(operands),
  Pow: power,
  Sum: variadic(add),
  Mean: mean,
  Min: variadic(minimum),
  Max: variadic(maximum),
  Neg: unary(negate),
  Abs: unary(absolute),
  Sign: unary(sign),
  Sqrt: floats(Math.sqrt),
  Reciprocal: floats((a) => 1 / a),
  Exp: floats(Math.exp),
  Log: floats(Math.log),
  Floor: floats(Math.floor),
  Ceil: floats(Math.ceil),
  Round: floats(roundHalfEven),
}
