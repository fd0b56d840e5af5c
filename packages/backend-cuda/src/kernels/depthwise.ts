import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import type { ConvolutionArgs } from './convolution.ts'
import { divisorArguments, divisorFields } from './division.ts'
import { epilogueArguments, epilogueFields, epiloguePointerFields, epilogueReads, storageOf } from './epilogue.ts'
import { threadPerItem } from './grid.ts'
import { weightDTypes } from './packing.ts'
import {
  canMoveFour,
  nowhere,
  pair,
  placeArguments,
  placeFields,
  planesOf,
  windowArguments,
  windowFields,
} from './planes.ts'

/** A depthwise convolution: C groups of one channel, M = C. */
type DepthwiseArgs = Omit<ConvolutionArgs, 'group' | 'weights' | 'splitDepth'> & {
  /**
   * As `packDepthwiseWeights` made it: [kernel elements, C]; for int8 also two such matrices, one below the other, whose
   * sums are the weights.
   */
  readonly weights: View
}

const layout = structLayout({
  input: 'pointer',
  weights: 'pointer',
  ...epiloguePointerFields,
  channels: 'int32',
  ...divisorFields('groups'),
  ...divisorFields('runs'),
  ...divisorFields('lines'),
  images: 'int32',
  lineWidth: 'int32',
  kernelHeight: 'int32',
  kernelWidth: 'int32',
  summands: 'int32',
  inputStorage: 'int32',
  weightsStorage: 'int32',
  vectorLoads: 'int32',
  ...windowFields,
  paddingValue: 'int32',
  ...placeFields('input'),
  ...epilogueFields,
})

export { layout as depthwiseLayout }

const threads = 128
/** Places of a line per thread. */
const tactics = { '4 places': 4, '1 place': 1 } as const

/** One launch that computes a depthwise convolution (one input and one output channel per group), with what follows it. */
export function depthwiseConvolution(args: DepthwiseArgs): Launch {
  const { precision, weights, epilogue = {}, device } = args
  const input = planesOf(args.input)
  const output = planesOf(args.output)
  const residual = epilogue.residual && planesOf(epilogue.residual.view)
  const [kernelHeight, kernelWidth] = pair(args.kernel, 1)
  const { channels, images } = input
  checkOperands(args, kernelHeight * kernelWidth)
  const groups = Math.ceil(channels / 4)
  const lines = images * output.height
  // Threads that have more to do pay off once there are enough of them.
  const wanted = lines * output.width * groups >= device.multiprocessors * 2048 ? '4 places' : '1 place'
  const tactic = args.tactic ?? wanted
  const places = tactics[tactic as keyof typeof tactics]
  if (!places) throw new Error(`No tactic ${tactic} for a depthwise convolution; there are ${depthwiseTactics()}.`)
  const runs = Math.ceil(output.width / places)
  const count = lines * runs * groups
  if (count + threads >= 2 ** 31) throw new Error(`A depthwise convolution with ${count} threads is too large.`)
  const type = precision !== 'int8' ? 'float' : args.input.dtype === 'uint8' ? 'u8' : 's8'
  return {
    kernel: `depthwise_${type}_${places}`,
    layout,
    ...threadPerItem(count, threads),
    arguments: {
      ...epilogueArguments(epilogue, {
        output: args.output,
        outputPlaces: output.strides,
        residualPlaces: residual?.strides ?? nowhere,
        channels,
        integer: precision === 'int8',
      }),
      input: pointerTo(args.input),
      weights: pointerTo(weights),
      channels,
      ...divisorArguments('groups', groups),
      ...divisorArguments('runs', runs),
      ...divisorArguments('lines', output.height),
      images,
      lineWidth: output.width,
      ...windowArguments(input, args),
      kernelHeight,
      kernelWidth,
      summands: weights.shape[0]! / (kernelHeight * kernelWidth),
      paddingValue: precision === 'int8' ? (args.paddingValue ?? 0) : 0,
      ...placeArguments('input', input.strides),
      inputStorage: storageOf(args.input),
      weightsStorage: storageOf(weights),
      vectorLoads: canMoveFour(args.input, input.strides) ? 1 : 0,
    },
    reads: [args.input.buffer, weights.buffer, ...epilogueReads(epilogue)],
    writes: [args.output.buffer],
    tactic,
  }
}

export const depthwiseTactics = (): string[] => Object.keys(tactics)

function checkOperands({ precision, input, weights, output }: DepthwiseArgs, taps: number): void {
  const channels = input.shape[1]!
  const [rows, columns] = weights.shape
  const inputFits =
    precision === 'int8'
      ? input.dtype === 'int8' || input.dtype === 'uint8'
      : input.dtype === 'float32' || input.dtype === 'float16'
  if (!inputFits || weights.dtype !== weightDTypes[precision])
    throw new Error(`No ${precision} depthwise convolution of ${input.dtype} and ${weights.dtype}.`)
  const rowsFit = rows === taps || (precision === 'int8' && rows === 2 * taps)
  if (!rowsFit || columns !== channels || weights.strides[0] !== columns || output.shape[1] !== channels)
    throw new Error(
      `A depthwise convolution of [${input.shape}] to [${output.shape}] wants weights [${taps}, ${channels}], got [${weights.shape}].`,
    )
}
