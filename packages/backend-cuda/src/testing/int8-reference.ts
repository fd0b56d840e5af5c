import type { Activation, Quantization } from '../kernels/epilogue.ts'

/** `Epilogue` in plain values; vectors have one element per channel. */
export interface EpilogueReference {
  readonly correction?: ArrayLike<number>
  readonly multiplier?: ArrayLike<number>
  readonly alpha?: number
  readonly bias?: ArrayLike<number>
  readonly activation?: Activation
  /** One value per output, as stored. */
  readonly residual?: ArrayLike<number>
  readonly residualQuantization?: Quantization
  readonly residualMultiplies?: boolean
  readonly finalActivation?: Activation
}

const round = Math.fround

/** One exact sum through an epilogue, every step rounded to float32: bit by bit what kernels compute. */
export function finishSum(sum: number, channel: number, at: number, epilogue: EpilogueReference): number {
  const {
    correction,
    multiplier,
    alpha = 1,
    bias,
    activation,
    residual,
    residualQuantization,
    finalActivation,
  } = epilogue
  let value = round(round(sum + (correction?.[channel] ?? 0)) * round(multiplier?.[channel] ?? alpha))
  if (bias) value = round(value + bias[channel]!)
  value = activateReference(value, activation)
  if (residual) {
    const stored = residual[at]!
    const other = residualQuantization
      ? round((stored - residualQuantization.zeroPoint) * round(residualQuantization.scale))
      : stored
    value = epilogue.residualMultiplies ? round(value * other) : round(value + other)
  }
  return activateReference(value, finalActivation)
}

/** saturate(rint(value / scale) + zeroPoint) */
export function quantizeReference(value: number, { scale, zeroPoint }: Quantization, dtype: 'int8' | 'uint8'): number {
  const low = dtype === 'int8' ? -128 : 0
  const level = roundHalfToEven(round(value / round(scale))) + zeroPoint
  return Math.min(Math.max(level, low), low + 255)
}

function roundHalfToEven(value: number): number {
  const below = Math.floor(value)
  const rest = value - below
  if (rest !== 0.5) return Math.round(value)
  return below % 2 === 0 ? below : below + 1
}

const hardSigmoid = (x: number, alpha: number, beta: number) =>
  Math.min(Math.max(round(round(round(alpha) * x) + round(beta)), 0), 1)
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const softplus = (x: number) => (x > 20 ? x : Math.log1p(Math.exp(x)))

/** Rounded step by step where kernels are exact; otherwise the formula in float64, rounded once. */
export function activateReference(x: number, { kind, alpha = 0, beta = 0 }: Activation = { kind: 'none' }): number {
  switch (kind) {
    case 'none':
      return x
    case 'relu':
      return Math.max(x, 0)
    case 'clip':
      return Math.min(Math.max(x, round(alpha)), round(beta))
    case 'leakyRelu':
      return x < 0 ? round(round(alpha) * x) : x
    case 'sigmoid':
      return round(sigmoid(x))
    case 'swish':
      return round(x * sigmoid(alpha * x))
    case 'hardSigmoid':
      return hardSigmoid(x, alpha, beta)
    case 'hardSwish':
      return round(x * hardSigmoid(x, alpha, beta))
    case 'gelu':
      return round((x * (1 + erf(x / Math.SQRT2))) / 2)
    case 'geluTanh':
      return round((x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2)
    case 'tanh':
      return round(Math.tanh(x))
    case 'elu':
      return x < 0 ? round(alpha * Math.expm1(x)) : x
    case 'softplus':
      return round(softplus(x))
    case 'mish':
      return round(x * Math.tanh(softplus(x)))
  }
}

/** By its Taylor series, whose terms shrink fast for the arguments of tests. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-18; n++) {
    term *= -(x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}
