import type { DeviceFacts } from '../program/constants.ts'
import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import type { ConvolutionArgs } from './convolution-args.ts'
import { packedDepth } from './packing.ts'
import { type PlaceStrides, type ProductArgs, product, productTacticNames } from './product.ts'

/** One launch that computes a convolution, with what follows it. */
export function convolution(args: ConvolutionArgs): Launch {
  return product(productOf(args))
}

/** Names of the kernels that can compute this convolution, best guess first: `tactic` takes one of them. */
export function convolutionTactics(args: ConvolutionArgs): string[] {
  return productTacticNames(productOf(args))
}

/** Elements of a workspace with which every layer of a network that gains by it can split its depth. */
export function splitWorkspaceSize({ multiprocessors }: DeviceFacts): { partials: number; counters: number } {
  return { partials: multiprocessors * 4 * 64 * 64, counters: multiprocessors * 4 }
}

/** Sizes and strides of [N, C, H, W]; a missing H is 1. */
export interface Planes {
  readonly images: number
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly strides: PlaceStrides
}

export function planesOf({ shape, strides }: View): Planes {
  if (shape.length !== 3 && shape.length !== 4) throw new Error(`A convolution wants [N, C, (H,) W], got [${shape}].`)
  const [images, channels] = shape
  const height = shape.length === 4 ? shape[2]! : 1
  // A step along an axis of one element is never taken, so that it must not count as unaligned.
  const step = (extent: number, stride: number, otherwise = 0) => (extent > 1 ? stride : otherwise)
  return {
    images: images!,
    channels: channels!,
    height,
    width: shape.at(-1)!,
    strides: {
      image: step(images!, strides[0]!),
      line: step(height, strides.at(-2)!),
      pixel: step(shape.at(-1)!, strides.at(-1)!),
      channel: step(channels!, strides[1]!, 1),
    },
  }
}

/** [height, width] from one or two spatial values. */
export function pair(values: readonly number[], fill: number): [height: number, width: number] {
  return values.length === 1 ? [fill, values[0]!] : [values[0]!, values[1]!]
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
    workspace: args.workspace,
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
    residualPlaces: residual?.strides ?? { image: 0, line: 0, pixel: 0, channel: 0 },
    weightsStrides: { column: pitch, depth: 1 },
    weightsPadded: true,
    inputBatch: [0, group > 1 ? channels * input.strides.channel : 0],
    weightsBatch: [0, group > 1 ? columns * pitch : 0],
    outputBatch: groups(output.strides),
    residualBatch: groups(residual?.strides),
    innerChannels: group > 1 ? columns : 0,
  }
}
