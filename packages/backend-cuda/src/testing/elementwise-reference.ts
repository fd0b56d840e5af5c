import { float16FromNumber, numberFromFloat16 } from '@lowlat/core'
import type { Instruction, Operand, Operation } from '../kernels/elementwise-program.ts'

/** Evaluates a program for one element in double precision, rounding each result to float32. */
export function evaluateFloats(
  inputs: readonly number[],
  program: readonly Instruction[],
  results: readonly Operand[],
): number[] {
  const values = inputs.map(Math.fround)
  const numberOf = (operand: Operand) =>
    typeof operand === 'object' ? Math.fround(operand.constant) : values[operand]!
  for (const { operation, operands } of program) {
    const [a = 0, b = 0, c = 0] = operands.map(numberOf)
    const evaluate = floatOperations[operation]
    if (!evaluate) throw new Error(`'${operation}' is not computed in float32`)
    values.push(Math.fround(Number(evaluate(a, b, c))))
  }
  return results.map(numberOf)
}

/** Evaluates a program for one element in 64-bit integers that wrap. */
export function evaluateIntegers(
  inputs: readonly bigint[],
  program: readonly Instruction[],
  results: readonly Operand[],
): bigint[] {
  const values = [...inputs]
  const numberOf = (operand: Operand) => (typeof operand === 'object' ? BigInt(operand.constant) : values[operand]!)
  for (const { operation, operands } of program) {
    const [a = 0n, b = 0n, c = 0n] = operands.map(numberOf)
    const evaluate = integerOperations[operation]
    if (!evaluate) throw new Error(`'${operation}' is not computed in int64`)
    values.push(BigInt.asIntN(64, BigInt(evaluate(a, b, c))))
  }
  return results.map(numberOf)
}

type Numeric = number | boolean
type FloatOperation = (a: number, b: number, c: number) => Numeric
type IntegerOperation = (a: bigint, b: bigint, c: bigint) => bigint | boolean

const f = Math.fround
const clip = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high)
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const softplus = (x: number) => (x > 20 ? x : Math.log1p(Math.exp(x)))
const hardSigmoid = (x: number, alpha: number, beta: number) => clip(f(f(alpha * x) + beta), 0, 1)

function roundEven(x: number): number {
  const low = Math.floor(x)
  if (x - low !== 0.5) return Math.round(x)
  return low % 2 === 0 ? low : low + 1
}

function quantize(x: number, scale: number, zeroPoint: number, low: number): number {
  const level = f(roundEven(f(x / scale)) + zeroPoint)
  return level > low ? Math.min(level, low + 255) : low
}

/** The error function by its Maclaurin series, which double precision carries up to 3; beyond it is 1 within 3e-5. */
function erf(x: number): number {
  if (Math.abs(x) > 3)
    return Math.sign(x) * (1 - (Math.exp(-x * x) / (Math.abs(x) * Math.sqrt(Math.PI))) * (1 - 1 / (2 * x * x)))
  let term = x
  let sum = x
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

const floatOperations: Readonly<Partial<Record<Operation, FloatOperation>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: (a, b) => Math.min(a, b),
  max: (a, b) => Math.max(a, b),
  neg: (a) => -a,
  abs: Math.abs,
  sign: Math.sign,
  equal: (a, b) => a === b,
  less: (a, b) => a < b,
  lessOrEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterOrEqual: (a, b) => a >= b,
  and: (a, b) => a !== 0 && b !== 0,
  or: (a, b) => a !== 0 || b !== 0,
  xor: (a, b) => (a !== 0) !== (b !== 0),
  not: (a) => a === 0,
  where: (a, b, c) => (a !== 0 ? b : c),
  mod: (a, b) => a - Math.floor(a / b) * b,
  fmod: (a, b) => a % b,
  pow: (a, b) => a ** b,
  clip,
  relu: (a) => clip(a, 0, Infinity),
  sqrt: Math.sqrt,
  reciprocal: (a) => 1 / a,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundEven,
  trunc: Math.trunc,
  toFloat16: (a) => numberFromFloat16(float16FromNumber(a)),
  isNaN: Number.isNaN,
  isInf: (a, negative, positive) => (a === -Infinity && negative !== 0) || (a === Infinity && positive !== 0),
  quantizeInt8: (a, scale, zeroPoint) => quantize(a, scale, zeroPoint, -128),
  quantizeUint8: (a, scale, zeroPoint) => quantize(a, scale, zeroPoint, 0),
  dequantize: (a, scale, zeroPoint) => f(a - zeroPoint) * scale,
  softsign: (a) => a / (1 + Math.abs(a)),
  thresholdedRelu: (a, alpha) => (a > alpha || Number.isNaN(a) ? a : 0),
  shrink: (a, lambda, bias) => (a < -lambda ? a + bias : a > lambda ? a - bias : Number.isNaN(a) ? a : 0),
  exp: Math.exp,
  log: Math.log,
  erf,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  celu: (a, alpha) => (a < 0 ? alpha * Math.expm1(a / alpha) : a),
  selu: (a, alpha, gamma) => gamma * (a > 0 ? a : alpha * Math.expm1(a)),
  leakyRelu: (a, alpha) => (a < 0 ? alpha * a : a),
  sigmoid,
  swish: (a, alpha) => a * sigmoid(alpha * a),
  hardSigmoid,
  hardSwish: (a, alpha, beta) => a * hardSigmoid(a, alpha, beta),
  gelu: (a) => 0.5 * a * (1 + erf(a * Math.SQRT1_2)),
  geluTanh: (a) => 0.5 * a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3))),
  tanh: Math.tanh,
  elu: (a, alpha) => (a < 0 ? alpha * Math.expm1(a) : a),
  softplus,
  mish: (a) => a * Math.tanh(softplus(a)),
}

const inOrder = (...values: bigint[]) => values.sort((a, b) => Number(a > b) - Number(a < b))
const smallest = (...values: bigint[]) => inOrder(...values)[0]!
const largest = (...values: bigint[]) => inOrder(...values).at(-1)!
const divide = (a: bigint, b: bigint) => (b === 0n ? 0n : a / b)
const remainder = (a: bigint, b: bigint) => a - divide(a, b) * b

function modulo(a: bigint, b: bigint): bigint {
  const rest = remainder(a, b)
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest
}

function integerPower(a: bigint, b: bigint): bigint {
  if (b >= 0n) return a ** b
  return a === 1n ? 1n : a === -1n ? (b % 2n === 0n ? 1n : -1n) : 0n
}

const integerOperations: Readonly<Partial<Record<Operation, IntegerOperation>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: divide,
  min: (a, b) => smallest(a, b),
  max: (a, b) => largest(a, b),
  neg: (a) => -a,
  abs: (a) => (a < 0n ? -a : a),
  sign: (a) => (a > 0n ? 1n : a < 0n ? -1n : 0n),
  equal: (a, b) => a === b,
  less: (a, b) => a < b,
  lessOrEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterOrEqual: (a, b) => a >= b,
  and: (a, b) => a !== 0n && b !== 0n,
  or: (a, b) => a !== 0n || b !== 0n,
  xor: (a, b) => (a !== 0n) !== (b !== 0n),
  not: (a) => a === 0n,
  where: (a, b, c) => (a !== 0n ? b : c),
  mod: modulo,
  fmod: remainder,
  pow: integerPower,
  clip: (a, low, high) => smallest(largest(a, low), high),
  relu: (a) => (a < 0n ? 0n : a),
  bitAnd: (a, b) => a & b,
  bitOr: (a, b) => a | b,
  bitXor: (a, b) => a ^ b,
  bitNot: (a) => ~a,
  shiftLeft: (a, b) => (b > 63n ? 0n : a << b),
  shiftRight: (a, b) => (b > 63n ? 0n : a >> b),
  toInt8: (a) => BigInt.asIntN(8, a),
  toUint8: (a) => BigInt.asUintN(8, a),
  toInt16: (a) => BigInt.asIntN(16, a),
  toUint16: (a) => BigInt.asUintN(16, a),
  toInt32: (a) => BigInt.asIntN(32, a),
  toUint32: (a) => BigInt.asUintN(32, a),
}
