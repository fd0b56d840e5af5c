import type { DType } from '@lowlat/core'
import type { View } from '../program/view.ts'

/** Codes of `activation.cuh`; `alpha` and `beta` are the two parameters. */
export const activationCodes = {
  none: 0,
  relu: 1,
  /** min(max(x, alpha), beta) */
  clip: 2,
  /** x, or alpha x where negative */
  leakyRelu: 3,
  /** 1 / (1 + exp(-x)) */
  sigmoid: 4,
  /** x sigmoid(alpha x); SiLU with alpha 1 */
  swish: 5,
  /** max(0, min(1, alpha x + beta)) */
  hardSigmoid: 6,
  /** x max(0, min(1, alpha x + beta)); ONNX's HardSwish with alpha 1/6, beta 1/2 */
  hardSwish: 7,
  /** x (1 + erf(x / sqrt 2)) / 2 */
  gelu: 8,
  /** x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
  geluTanh: 9,
  tanh: 10,
  /** x, or alpha (exp(x) - 1) where negative */
  elu: 11,
  /** log(1 + exp(x)) */
  softplus: 12,
  /** x tanh(log(1 + exp(x))) */
  mish: 13,
} as const

export interface Activation {
  readonly kind: keyof typeof activationCodes
  readonly alpha?: number
  readonly beta?: number
}

/** Codes of how elements are stored, as `epilogue.cuh` has them. */
export const storageCodes: Readonly<Partial<Record<DType, number>>> = { float32: 0, float16: 1, int8: 2, uint8: 3 }

/** real = (stored - zeroPoint) scale */
export interface Quantization {
  readonly scale: number
  readonly zeroPoint: number
}

/**
 * What happens to a sum before it is stored, in this order: + correction (of integer sums), * multiplier or * alpha, + bias,
 * activation, + or * residual, finalActivation, quantization if the output is int8 or uint8. Each step rounds to float32.
 * Vectors have one element per output channel (column) and are contiguous.
 */
export interface Epilogue {
  /** int32 [N]; int8 products only: minus the input's zero point times the sum of the channel's weights, plus an int32 bias. */
  readonly correction?: View | undefined
  /** float32 [N]; int8 products only, which need it: scale of the input times scale of the channel's weights. */
  readonly multiplier?: View | undefined
  /** One factor for all, instead of `multiplier`; 1 if absent. */
  readonly alpha?: number | undefined
  /** float32 [N] */
  readonly bias?: View | undefined
  readonly activation?: Activation | undefined
  readonly residual?: Residual | undefined
  readonly finalActivation?: Activation | undefined
  /** Of the output; required with int8 and uint8 outputs, forbidden with others. */
  readonly quantization?: Quantization | undefined
}

export interface Residual {
  /** Of the output's shape, with any strides (0 broadcasts): float32, float16, int8 or uint8. */
  readonly view: View
  /** Of an int8 or uint8 view; required there. */
  readonly quantization?: Quantization | undefined
  /** 'add' if absent. */
  readonly operation?: 'add' | 'multiply' | undefined
}
