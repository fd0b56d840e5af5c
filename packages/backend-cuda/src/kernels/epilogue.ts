import type { DType } from '@lowlat/core'
import { type Argument, pointerTo } from '../program/launch.ts'
import type { DeviceBuffer, View } from '../program/view.ts'
import { canMoveFour, type PlaceStrides, placeArguments, placeFields } from './planes.ts'

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
const storageCodes: Readonly<Partial<Record<DType, number>>> = { float32: 0, float16: 1, int8: 2, uint8: 3 }

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

/** The fields that every kernel with an epilogue has, as the macros of epilogue.cuh: pointers, which are larger, come first. */
export const epiloguePointerFields = {
  output: 'pointer',
  residual: 'pointer',
  correction: 'pointer',
  multiplier: 'pointer',
  bias: 'pointer',
} as const

export const epilogueFields = {
  ...placeFields('output'),
  ...placeFields('residual'),
  outputStorage: 'int32',
  residualStorage: 'int32',
  vectorStores: 'int32',
  activation: 'int32',
  activationAlpha: 'float32',
  activationBeta: 'float32',
  finalActivation: 'int32',
  finalAlpha: 'float32',
  finalBeta: 'float32',
  alpha: 'float32',
  outputScale: 'float32',
  outputZeroPoint: 'int32',
  residualMultiplies: 'int32',
  residualScale: 'float32',
  residualZeroPoint: 'int32',
} as const

/** Where a kernel with an epilogue writes, and what it sums up. */
interface EpilogueTarget {
  readonly output: View
  readonly outputPlaces: PlaceStrides
  readonly residualPlaces: PlaceStrides
  /** Further steps in output and residual, in elements. */
  readonly outputBatch?: readonly number[]
  readonly residualBatch?: readonly number[]
  /** Elements of correction, multiplier and bias. */
  readonly channels: number
  /** Whether sums are integers. */
  readonly integer: boolean
}

/** What those fields are set to; checks that the epilogue fits the kernel. */
export function epilogueArguments(epilogue: Epilogue, target: EpilogueTarget): Record<string, Argument> {
  const { output, outputPlaces, residualPlaces, outputBatch, residualBatch, channels, integer } = target
  const { correction, multiplier, bias, activation, residual, finalActivation, quantization } = epilogue
  checkVector('correction', correction, 'int32', channels)
  checkVector('multiplier', multiplier, 'float32', channels)
  checkVector('bias', bias, 'float32', channels)
  if (!integer && (correction || multiplier)) throw new Error('Corrections and multipliers belong to integer sums.')
  const quantized = output.dtype === 'int8' || output.dtype === 'uint8'
  if (quantized !== (quantization !== undefined))
    throw new Error(`An output of ${output.dtype} ${quantized ? 'needs' : 'has no'} quantization.`)
  const residualQuantized = residual?.view.dtype === 'int8' || residual?.view.dtype === 'uint8'
  if (residual && residualQuantized !== (residual.quantization !== undefined))
    throw new Error(`A residual of ${residual.view.dtype} ${residualQuantized ? 'needs' : 'has no'} quantization.`)
  return {
    output: pointerTo(output),
    residual: residual && pointerTo(residual.view),
    ...placeArguments('output', outputPlaces),
    ...placeArguments('residual', residualPlaces),
    outputStorage: storageOf(output),
    residualStorage: residual ? storageOf(residual.view) : 0,
    vectorStores:
      canMoveFour(output, outputPlaces, outputBatch) &&
      (!residual || canMoveFour(residual.view, residualPlaces, residualBatch))
        ? 1
        : 0,
    correction: correction && pointerTo(correction),
    multiplier: multiplier && pointerTo(multiplier),
    bias: bias && pointerTo(bias),
    activation: activationCodes[activation?.kind ?? 'none'],
    activationAlpha: activation?.alpha ?? 0,
    activationBeta: activation?.beta ?? 0,
    finalActivation: activationCodes[finalActivation?.kind ?? 'none'],
    finalAlpha: finalActivation?.alpha ?? 0,
    finalBeta: finalActivation?.beta ?? 0,
    alpha: epilogue.alpha ?? 1,
    outputScale: quantization?.scale ?? 1,
    outputZeroPoint: quantization?.zeroPoint ?? 0,
    residualMultiplies: residual?.operation === 'multiply' ? 1 : 0,
    residualScale: residual?.quantization?.scale ?? 1,
    residualZeroPoint: residual?.quantization?.zeroPoint ?? 0,
  }
}

/** Every buffer that an epilogue reads. */
export function epilogueReads({ correction, multiplier, bias, residual }: Epilogue): DeviceBuffer[] {
  return [correction, multiplier, bias, residual?.view].flatMap((view) => (view ? [view.buffer] : []))
}

export function storageOf({ dtype, buffer }: View): number {
  const code = storageCodes[dtype]
  if (code === undefined) throw new Error(`Kernels store no ${dtype} (${buffer.name}).`)
  return code
}

function checkVector(name: string, view: View | undefined, dtype: DType, channels: number): void {
  if (!view) return
  const [length] = view.shape
  if (view.dtype !== dtype || view.shape.length !== 1 || length !== channels || (view.strides[0] !== 1 && length !== 1))
    throw new Error(`${name} must be a contiguous ${dtype} [${channels}], got ${view.dtype} [${view.shape}].`)
}
