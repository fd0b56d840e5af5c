import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import { bytesPerElement, type View } from '../program/view.ts'
import { divisionBy, divisorArguments, divisorFields } from './division.ts'
import { type Quantization, storageOf } from './epilogue.ts'
import { threadPerItem } from './grid.ts'
import { checkedSize } from './iteration.ts'

/** MaxPool and AveragePool. Global ones are `reduce` over the spatial axes. */
export interface PoolArgs {
  /** [N, C, spatial...] with one to three spatial axes, any strides (fast: contiguous channels): float32, float16, int8, uint8. */
  readonly input: View
  /** Its shape says how many windows there are (ceil_mode). */
  readonly output: View
  readonly operation: 'max' | 'average'
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly padsBefore: readonly number[]
  readonly padsAfter: readonly number[]
  /** Of averages: padding counts as zeros. */
  readonly countIncludePad?: boolean
  /** Of an int8 or uint8 input: required for averages; a maximum without both is one of the stored values. */
  readonly inputQuantization?: Quantization | undefined
  readonly outputQuantization?: Quantization | undefined
}

/** Channels that a thread takes. */
const groupSize = 4

export const poolLayout = structLayout({
  input: 'pointer',
  output: 'pointer',
  inputStorage: 'int32',
  outputStorage: 'int32',
  inputScale: 'float32',
  inputZeroPoint: 'int32',
  outputScale: 'float32',
  outputZeroPoint: 'int32',
  average: 'int32',
  countIncludePad: 'int32',
  vectors: 'int32',
  count: 'int32',
  channels: 'int32',
  ...divisorFields('channelGroups'),
  inputSizes: ['int32', 3],
  outputSizes: ['int32', 3],
  outputMultipliers: ['uint32', 3],
  outputShifts: ['uint32', 3],
  kernel: ['int32', 3],
  strides: ['int32', 3],
  dilations: ['int32', 3],
  padsBefore: ['int32', 3],
  ends: ['int32', 3],
  inputImage: 'int32',
  inputChannel: 'int32',
  inputSteps: ['int32', 3],
  outputImage: 'int32',
  outputChannel: 'int32',
  outputSteps: ['int32', 3],
})

export function pool(args: PoolArgs): Launch {
  const { input, output, operation } = args
  checkPool(args)
  const spatial = (values: readonly number[], fill: number) => [...new Array(3 - values.length).fill(fill), ...values]
  const [images, channels, ...outputSizes] = output.shape
  const inputSizes = spatial(input.shape.slice(2), 1)
  const padsAfter = spatial(args.padsAfter, 0)
  const channelGroups = Math.ceil(channels! / groupSize)
  const divisions = spatial(outputSizes, 1).map(divisionBy)
  const count = checkedSize([images!, channelGroups, ...outputSizes])
  const vectors = [input, output].every(isVectorized)
  return {
    kernel: 'pool',
    layout: poolLayout,
    ...threadPerItem(count),
    arguments: {
      input: pointerTo(input),
      output: pointerTo(output),
      inputStorage: storageOf(input),
      outputStorage: storageOf(output),
      inputScale: args.inputQuantization?.scale ?? 1,
      inputZeroPoint: args.inputQuantization?.zeroPoint ?? 0,
      outputScale: args.outputQuantization?.scale ?? 1,
      outputZeroPoint: args.outputQuantization?.zeroPoint ?? 0,
      average: operation === 'average' ? 1 : 0,
      countIncludePad: args.countIncludePad ? 1 : 0,
      vectors: vectors ? 1 : 0,
      count,
      channels: channels!,
      ...divisorArguments('channelGroups', channelGroups),
      inputSizes,
      outputSizes: spatial(outputSizes, 1),
      outputMultipliers: divisions.map(({ multiplier }) => multiplier),
      outputShifts: divisions.map(({ shift }) => shift),
      kernel: spatial(args.kernel, 1),
      strides: spatial(args.strides, 1),
      dilations: spatial(args.dilations, 1),
      padsBefore: spatial(args.padsBefore, 0),
      ends: inputSizes.map((size, axis) => size + padsAfter[axis]!),
      inputImage: input.strides[0]!,
      inputChannel: input.strides[1]!,
      inputSteps: spatial(input.strides.slice(2), 0),
      outputImage: output.strides[0]!,
      outputChannel: output.strides[1]!,
      outputSteps: spatial(output.strides.slice(2), 0),
    },
    reads: [input.buffer],
    writes: [output.buffer],
    tactic: `${operation} ${args.kernel.join('x')}${vectors ? ', four channels at once' : ''}`,
  }
}

function checkPool({
  input,
  output,
  operation,
  kernel,
  inputQuantization,
  outputQuantization,
  ...rest
}: PoolArgs): void {
  const axes = input.shape.length - 2
  const lists = [kernel, rest.strides, rest.dilations, rest.padsBefore, rest.padsAfter]
  if (axes < 1 || axes > 3 || lists.some(({ length }) => length !== axes) || output.shape.length !== axes + 2)
    throw new Error(`Pooling wants [N, C, one to three axes], got [${input.shape}] and windows of [${kernel}].`)
  const isQuantized = ({ dtype }: View) => dtype === 'int8' || dtype === 'uint8'
  const movesLevels = operation === 'max' && input.dtype === output.dtype && !inputQuantization && !outputQuantization
  if (movesLevels) return
  if (
    isQuantized(input) !== (inputQuantization !== undefined) ||
    isQuantized(output) !== (outputQuantization !== undefined)
  )
    throw new Error(
      `Pooling from ${input.dtype} to ${output.dtype} wants the quantization of what is quantized, and of nothing else.`,
    )
}

/** Whether four channels are contiguous and at addresses that are multiples of their size. */
function isVectorized({ dtype, shape, strides, offset }: View): boolean {
  const bytes = Math.min(16, groupSize * bytesPerElement(dtype))
  const isMultiple = (elements: number) => (elements * bytesPerElement(dtype)) % bytes === 0
  const others = strides.filter((_, axis) => axis !== 1 && shape[axis] !== 1)
  return strides[1] === 1 && shape[1]! % groupSize === 0 && isMultiple(offset) && others.every(isMultiple)
}
