import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import type { DepthwiseArgs } from './convolution-args.ts'
import { divisorArguments, divisorFields } from './division.ts'
import { epilogueArguments, epilogueFields, epilogueReads, storageOf } from './epilogue.ts'
import { threadPerItem } from './grid.ts'
import { weightDTypes } from './packing.ts'
import { nowhere, type PlaceStrides, pair, planesOf, strideArguments } from './planes.ts'

const layout = structLayout({
  input: 'pointer',
  weights: 'pointer',
  output: 'pointer',
  residual: 'pointer',
  correction: 'pointer',
  multiplier: 'pointer',
  bias: 'pointer',
  channels: 'int32',
  ...divisorFields('groups'),
  ...divisorFields('runs'),
  ...divisorFields('lines'),
  images: 'int32',
  lineWidth: 'int32',
  height: 'int32',
  width: 'int32',
  kernelHeight: 'int32',
  kernelWidth: 'int32',
  summands: 'int32',
  strideHeight: 'int32',
  strideWidth: 'int32',
  dilationHeight: 'int32',
  dilationWidth: 'int32',
  padTop: 'int32',
  padLeft: 'int32',
  paddingValue: 'int32',
  inputImage: 'int32',
  inputLine: 'int32',
  inputPixel: 'int32',
  inputChannel: 'int32',
  outputImage: 'int32',
  outputLine: 'int32',
  outputPixel: 'int32',
  outputChannel: 'int32',
  residualImage: 'int32',
  residualLine: 'int32',
  residualPixel: 'int32',
  residualChannel: 'int32',
  inputStorage: 'int32',
  weightsStorage: 'int32',
  outputStorage: 'int32',
  residualStorage: 'int32',
  vectorLoads: 'int32',
  vectorStores: 'int32',
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
  const [strideHeight, strideWidth] = pair(args.strides, 1)
  const [dilationHeight, dilationWidth] = pair(args.dilations, 1)
  const [padTop, padLeft] = pair(args.padsBefore, 0)
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
      ...epilogueArguments(epilogue, { output: args.output, channels, integer: precision === 'int8' }),
      input: pointerTo(args.input),
      weights: pointerTo(weights),
      channels,
      ...divisorArguments('groups', groups),
      ...divisorArguments('runs', runs),
      ...divisorArguments('lines', output.height),
      images,
      lineWidth: output.width,
      height: input.height,
      width: input.width,
      kernelHeight,
      kernelWidth,
      summands: weights.shape[0]! / (kernelHeight * kernelWidth),
      strideHeight,
      strideWidth,
      dilationHeight,
      dilationWidth,
      padTop,
      padLeft,
      paddingValue: precision === 'int8' ? (args.paddingValue ?? 0) : 0,
      ...strideArguments('input', input.strides),
      ...strideArguments('output', output.strides),
      ...strideArguments('residual', residual?.strides ?? nowhere),
      inputStorage: storageOf(args.input),
      weightsStorage: storageOf(weights),
      vectorLoads: isAligned(args.input, input.strides) ? 1 : 0,
      vectorStores:
        isAligned(args.output, output.strides) && (!residual || isAligned(epilogue.residual!.view, residual.strides))
          ? 1
          : 0,
    },
    reads: [args.input.buffer, weights.buffer, ...epilogueReads(epilogue)],
    writes: [args.output.buffer],
    tactic,
  }
}

export const depthwiseTactics = (): string[] => Object.keys(tactics)

/** Whether four channels can be moved at once. */
function isAligned({ offset }: View, { image, line, pixel, channel }: PlaceStrides): boolean {
  return channel === 1 && [offset, image, line, pixel].every((elements) => elements % 4 === 0)
}

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
