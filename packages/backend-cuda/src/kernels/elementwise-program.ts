import { activationCodes } from './epilogue.ts'

/** A value of a program by number - its inputs come first, then one for every instruction - or a number for all elements. */
export type Operand = number | { readonly constant: number }

export interface Instruction {
  readonly operation: Operation
  /** As many as `operations` says. */
  readonly operands: readonly Operand[]
}

interface OperationInfo {
  /** In kernels/elementwise.cuh. */
  readonly code: number
  readonly operands: 1 | 2 | 3
  /** What it can be computed in. */
  readonly types: readonly ('float32' | 'int64' | 'float64')[]
}

type OperandCount = OperationInfo['operands']

const any = (code: number, operands: OperandCount): OperationInfo => ({
  code,
  operands,
  types: ['float32', 'int64', 'float64'],
})
const single = (code: number, operands: OperandCount): OperationInfo => ({
  code,
  operands,
  types: ['float32', 'int64'],
})
const integer = (code: number, operands: OperandCount): OperationInfo => ({ code, operands, types: ['int64'] })
const float = (code: number, operands: OperandCount): OperationInfo => ({ code, operands, types: ['float32'] })

const activation = activationCodes
/** Activations have the code of the epilogue, from here on. */
const firstActivation = 96

/** Truth is 1 and 0. Names as in ONNX where the operator does the same. */
export const operations = {
  add: any(0, 2),
  sub: any(1, 2),
  mul: any(2, 2),
  /** Integers toward zero; by 0 gives 0. */
  div: any(3, 2),
  min: any(4, 2),
  max: any(5, 2),
  neg: any(6, 1),
  abs: any(7, 1),
  sign: any(8, 1),
  equal: any(9, 2),
  less: any(10, 2),
  lessOrEqual: any(11, 2),
  greater: any(12, 2),
  greaterOrEqual: any(13, 2),
  and: any(14, 2),
  or: any(15, 2),
  xor: any(16, 2),
  not: any(17, 1),
  /** (condition, then, else) */
  where: any(18, 3),
  /** With the sign of the divisor (Mod with fmod 0). */
  mod: single(19, 2),
  /** With the sign of the dividend (Mod with fmod 1). */
  fmod: single(20, 2),
  pow: single(21, 2),
  /** (x, low, high) */
  clip: any(22, 3),
  relu: any(23, 1),

  bitAnd: integer(32, 2),
  bitOr: integer(33, 2),
  bitXor: integer(34, 2),
  bitNot: integer(35, 1),
  shiftLeft: integer(36, 2),
  shiftRight: integer(37, 2),
  /** What a value of a narrower integer type becomes on overflow: between operations on such types. */
  toInt8: integer(38, 1),
  toUint8: integer(39, 1),
  toInt16: integer(40, 1),
  toUint16: integer(41, 1),
  toInt32: integer(42, 1),
  toUint32: integer(43, 1),

  sqrt: float(48, 1),
  reciprocal: float(49, 1),
  floor: float(50, 1),
  ceil: float(51, 1),
  /** Half to even. */
  round: float(52, 1),
  /** Toward zero: a cast to integers between operations. */
  trunc: float(53, 1),
  /** To the nearest float16 and back: a cast to float16 between operations. */
  toFloat16: float(54, 1),
  isNaN: float(55, 1),
  /** (x, whether negative infinity counts, whether positive does) */
  isInf: float(56, 3),
  /** (x, scale, zero point): saturate(rint(x / scale) + zero point) */
  quantizeInt8: float(57, 3),
  quantizeUint8: float(58, 3),
  /** (stored, scale, zero point): (stored - zero point) scale */
  dequantize: float(59, 3),
  softsign: float(60, 1),
  /** (x, alpha): x where above alpha, else 0 */
  thresholdedRelu: float(61, 2),
  /** (x, lambd, bias) */
  shrink: float(62, 3),

  exp: float(64, 1),
  log: float(65, 1),
  erf: float(66, 1),
  sin: float(67, 1),
  cos: float(68, 1),
  tan: float(69, 1),
  asin: float(70, 1),
  acos: float(71, 1),
  atan: float(72, 1),
  sinh: float(73, 1),
  cosh: float(74, 1),
  asinh: float(75, 1),
  acosh: float(76, 1),
  atanh: float(77, 1),
  /** (x, alpha) */
  celu: float(78, 2),
  /** (x, alpha, gamma) */
  selu: float(79, 3),

  /** (x, alpha): alpha may differ per element (PRelu) */
  leakyRelu: float(firstActivation + activation.leakyRelu, 2),
  sigmoid: float(firstActivation + activation.sigmoid, 1),
  /** (x, alpha): x sigmoid(alpha x) */
  swish: float(firstActivation + activation.swish, 2),
  /** (x, alpha, beta) */
  hardSigmoid: float(firstActivation + activation.hardSigmoid, 3),
  /** (x, alpha, beta) */
  hardSwish: float(firstActivation + activation.hardSwish, 3),
  gelu: float(firstActivation + activation.gelu, 1),
  geluTanh: float(firstActivation + activation.geluTanh, 1),
  tanh: float(firstActivation + activation.tanh, 1),
  /** (x, alpha) */
  elu: float(firstActivation + activation.elu, 2),
  softplus: float(firstActivation + activation.softplus, 1),
  mish: float(firstActivation + activation.mish, 1),
} as const satisfies Readonly<Record<string, OperationInfo>>

export type Operation = keyof typeof operations
