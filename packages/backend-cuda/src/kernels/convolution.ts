import type { DeviceFacts } from '../program/constants.ts'
import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import type { Epilogue } from './epilogue.ts'
import { type ProductPrecision, packedDepth } from './packing.ts'
import { nowhere, type PlaceStrides, pair, planesOf } from './planes.ts'
import { type ProductArgs, product, productTacticNames } from './product.ts'

/**
 * A convolution over one or two spatial axes. Any strides of input and output work; what is fast is contiguous channels in
 * multiples of 16 bytes at addresses that are multiples of 16 (for int8 also of 4).
 */
export interface ConvolutionArgs {
  readonly precision: ProductPrecision
  /**
   * [N, C, H, W] or [N, C, W]. Its dtype: float32 for fp32 and tf32; float16 or float32 for fp16 (float32 is rounded as it is
   * read); int8 or uint8 for int8. The float precisions read int8 and uint8, too, as the numbers that they are.
   */
  readonly input: View
  /** As `packConvolutionWeights` made it: [M, pitch]. */
  readonly weights: View
  /** [N, M, OH, OW] or [N, M, OW]: float32, float16, int8 or uint8. */
  readonly output: View
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Before the first element of each spatial axis; what is after the last follows from the output's shape. */
  readonly padsBefore: readonly number[]
  readonly group: number
  /** What padding reads as, in the stored values of an int8 or uint8 input: its zero point. 0 if absent. */
  readonly paddingValue?: number | undefined
  readonly epilogue?: Epilogue | undefined
  readonly device: DeviceFacts
  /** One of `convolutionTactics`; chosen by shape and device if absent. */
  readonly tactic?: string | undefined
  /**
   * Whether several blocks may share a tile, each with a part of the depth; true if absent. The program then needs
   * `withSplitCounters`.
   */
  readonly splitDepth?: boolean | undefined
}

/** One launch that computes a convolution, with what follows it. */
export function convolution(args: ConvolutionArgs): Launch {
  return product(productOf(args))
}

/** Names of the kernels that can compute this convolution, best guess first: `tactic` takes one of them. */
export function convolutionTactics(args: ConvolutionArgs): string[] {
  return productTacticNames(productOf(args))
}

function productOf(args: ConvolutionArgs): ProductArgs {
  const { precision, group, epilogue = {} } = args
  const input = planesOf(args.input)
  const output = planesOf(args.output)
  const residual = epilogue.residual && planesOf(epilogue.residual.view)
  const kernel = pair(args.kernel, 1)
  const channels = input.channels / group
  const columns = output.channels / group
  const pitch = packedDepth(channels * kernel[0] * kernel[1], precision)
  const [rows, width] = args.weights.shape
  if (rows !== output.channels || width !== pitch || args.weights.strides[0] !== pitch)
    throw new Error(`Weights must be packed as [${output.channels}, ${pitch}], got [${args.weights.shape}].`)
  const groups = (strides: PlaceStrides | undefined) =>
    [0, strides && group > 1 ? columns * strides.channel : 0] as const
  return {
    precision,
    input: args.input,
    weights: args.weights,
    output: args.output,
    epilogue,
    device: args.device,
    tactic: args.tactic,
    splitDepth: args.splitDepth,
    batch: [1, group],
    images: output.images,
    lines: output.height,
    lineWidth: output.width,
    columns,
    channels,
    height: input.height,
    width: input.width,
    kernel,
    strides: pair(args.strides, 1),
    dilations: pair(args.dilations, 1),
    padsBefore: pair(args.padsBefore, 0),
    paddingValue: args.paddingValue ?? 0,
    inputPlaces: input.strides,
    outputPlaces: output.strides,
    residualPlaces: residual?.strides ?? nowhere,
    weightsStrides: { column: pitch, depth: 1 },
    weightsPadded: true,
    inputBatch: [0, group > 1 ? channels * input.strides.channel : 0],
    weightsBatch: [0, group > 1 ? columns * pitch : 0],
    outputBatch: groups(output.strides),
    residualBatch: groups(residual?.strides),
    innerChannels: group > 1 ? columns : 0,
  }
}
