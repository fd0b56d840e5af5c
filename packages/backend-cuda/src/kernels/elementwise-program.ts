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
  readonly integer?: true
}

const info = (code: number, operands: 1 | 2 | 3): OperationInfo => ({ code, operands })
/** Also for int64; float64 has these too but for those on bits. */
const any = (code: number, operands: 1 | 2 | 3): OperationInfo => ({ code, operands, integer: true })

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
  mod: any(19, 2),
  /** With the sign of the dividend (Mod with fmod 1). */
  fmod: any(20, 2),
  pow: any(21, 2),
  /** (x, low, high) */
  clip: any(22, 3),
  relu: any(23, 1),

  bitAnd: any(32, 2),
  bitOr: any(33, 2),
  bitXor: any(34, 2),
  bitNot: any(35, 1),
  shiftLeft: any(36, 2),
  shiftRight: any(37, 2),
  /** What a value of a narrower integer type becomes on overflow: between operations on such types. */
  toInt8: any(38, 1),
  toUint8: any(39, 1),
  toInt16: any(40, 1),
  toUint16: any(41, 1),
  toInt32: any(42, 1),
  toUint32: any(43, 1),

  sqrt: info(48, 1),
  reciprocal: info(49, 1),
  floor: info(50, 1),
  ceil: info(51, 1),
  /** Half to even. */
  round: info(52, 1),
  /** Toward zero: a cast to integers between operations. */
  trunc: info(53, 1),
  /** To the nearest float16 and back: a cast to float16 between operations. */
  toFloat16: info(54, 1),
  isNaN: info(55, 1),
  /** (x, whether negative infinity counts, whether positive does) */
  isInf: info(56, 3),
  /** (x, scale, zero point): saturate(rint(x / scale) + zero point) */
  quantizeInt8: info(57, 3),
  quantizeUint8: info(58, 3),
  /** (stored, scale, zero point): (stored - zero point) scale */
  dequantize: info(59, 3),
  softsign: info(60, 1),
  /** (x, alpha): x where above alpha, else 0 */
  thresholdedRelu: info(61, 2),
  /** (x, lambd, bias) */
  shrink: info(62, 3),

  exp: info(64, 1),
  log: info(65, 1),
  erf: info(66, 1),
  sin: info(67, 1),
  cos: info(68, 1),
  tan: info(69, 1),
  asin: info(70, 1),
  acos: info(71, 1),
  atan: info(72, 1),
  sinh: info(73, 1),
  cosh: info(74, 1),
  asinh: info(75, 1),
  acosh: info(76, 1),
  atanh: info(77, 1),
  /** (x, alpha) */
  celu: info(78, 2),
  /** (x, alpha, gamma) */
  selu: info(79, 3),

  /** (x, alpha): alpha may differ per element (PRelu) */
  leakyRelu: info(firstActivation + activation.leakyRelu, 2),
  sigmoid: info(firstActivation + activation.sigmoid, 1),
  /** (x, alpha): x sigmoid(alpha x) */
  swish: info(firstActivation + activation.swish, 2),
  /** (x, alpha, beta) */
  hardSigmoid: info(firstActivation + activation.hardSigmoid, 3),
  /** (x, alpha, beta) */
  hardSwish: info(firstActivation + activation.hardSwish, 3),
  gelu: info(firstActivation + activation.gelu, 1),
  geluTanh: info(firstActivation + activation.geluTanh, 1),
  tanh: info(firstActivation + activation.tanh, 1),
  /** (x, alpha) */
  elu: info(firstActivation + activation.elu, 2),
  softplus: info(firstActivation + activation.softplus, 1),
  mish: info(firstActivation + activation.mish, 1),
} as const satisfies Readonly<Record<string, OperationInfo>>

export type Operation = keyof typeof operations
