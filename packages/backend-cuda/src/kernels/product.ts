import type { DeviceFacts } from '../program/constants.ts'
import { joined, type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import { bytesPerElement, type DeviceBuffer, type View } from '../program/view.ts'
import { divisorArguments, divisorFields } from './division.ts'
import {
  type Epilogue,
  epilogueArguments,
  epilogueFields,
  epiloguePointerFields,
  epilogueReads,
  storageOf,
} from './epilogue.ts'
import type { ProductPrecision } from './packing.ts'
import { type PlaceStrides, placeArguments, placeFields, windowArguments, windowFields } from './planes.ts'
import {
  hasLoader,
  kernelName,
  type Loader,
  type OperandType,
  operandBytes,
  type ProductSize,
  partialBytesOf,
  productTactics,
  sharedBytesOf,
  stepsOf,
  type Tactic,
  tacticName,
} from './product-tactics.ts'
import { splitCounters } from './split-counters.ts'

/** Elements from one product of a batch to the next, on both levels of the batch. */
export type BatchStrides = readonly [outer: number, inner: number]

/**
 * A matrix product or a convolution as one: row m is place m of the output, column n a channel of the output, depth k a tap
 * of the kernel and a channel of the input. Buffers are taken to start at multiples of 256 bytes.
 */
export interface ProductArgs {
  readonly precision: ProductPrecision
  readonly input: View
  readonly weights: View
  readonly output: View
  readonly epilogue: Epilogue
  readonly device: DeviceFacts
  readonly tactic?: string | undefined
  readonly splitDepth?: boolean | undefined
  readonly batch: readonly [outer: number, inner: number]
  readonly images: number
  readonly lines: number
  readonly lineWidth: number
  readonly columns: number
  /** Of the input, per product. */
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly kernel: readonly [height: number, width: number]
  readonly strides: readonly [height: number, width: number]
  readonly dilations: readonly [height: number, width: number]
  readonly padsBefore: readonly [top: number, left: number]
  readonly paddingValue: number
  readonly inputPlaces: PlaceStrides
  readonly outputPlaces: PlaceStrides
  readonly residualPlaces: PlaceStrides
  readonly weightsStrides: { readonly column: number; readonly depth: number }
  /** Whether rows of the weights go on with zeros up to a multiple of 16 bytes. */
  readonly weightsPadded: boolean
  readonly inputBatch: BatchStrides
  readonly weightsBatch: BatchStrides
  readonly outputBatch: BatchStrides
  readonly residualBatch: BatchStrides
  /** Channels of correction, multiplier and bias from one inner product to the next. */
  readonly innerChannels: number
}

const batchFields = (name: string): Record<string, 'int64'> => ({
  [`${name}Outer`]: 'int64',
  [`${name}Inner`]: 'int64',
})

const batchArguments = (name: string, [outer, inner]: BatchStrides): Record<string, number> => ({
  [`${name}Outer`]: outer,
  [`${name}Inner`]: inner,
})

const layout = structLayout({
  input: 'pointer',
  weights: 'pointer',
  ...epiloguePointerFields,
  partials: 'pointer',
  counters: 'pointer',
  ...batchFields('input'),
  ...batchFields('weights'),
  ...batchFields('output'),
  ...batchFields('residual'),
  innerCount: 'int32',
  innerChannels: 'int32',
  splits: 'int32',
  stepsPerSplit: 'int32',
  rows: 'int32',
  columns: 'int32',
  depth: 'int32',
  ...divisorFields('places'),
  ...divisorFields('lineWidth'),
  ...divisorFields('channels'),
  ...divisorFields('kernelWidth'),
  ...windowFields,
  paddingBytes: 'uint32',
  ...placeFields('input'),
  weightsColumn: 'int32',
  weightsDepth: 'int32',
  inputStorage: 'int32',
  weightsStorage: 'int32',
  weightsConstant: 'int32',
  ...epilogueFields,
})

export { layout as productLayout }

export function product(args: ProductArgs): Launch {
  const { input, weights, output, epilogue } = args
  const size = productSize(args)
  const tactic = chooseTactic(args, size)
  const { tile, splits } = tactic
  const [outer, inner] = args.batch
  const grid = [
    Math.ceil(size.rows / tile.rows),
    Math.ceil(size.columns / tile.columns),
    outer * inner * splits,
  ] as const
  if (grid[1] > 65535 || grid[2] > 65535) throw new Error(`A grid of ${grid.join(' x ')} blocks is too large.`)
  checkReach(args)
  const partials: DeviceBuffer | undefined =
    splits > 1 ? { kind: 'temporary', name: 'partial sums', sizeBytes: partialBytesOf(size, tactic) } : undefined
  const shared = partials ? [partials, splitCounters] : []
  return {
    kernel: kernelName(size, tactic),
    layout,
    grid,
    threads: tile.threads,
    sharedBytes: sharedBytesOf(tile),
    arguments: joined(
      epilogueArguments(epilogue, {
        ...args,
        channels: args.innerChannels ? args.innerChannels * inner : args.columns,
        integer: args.precision === 'int8',
      }),
      batchArguments('input', args.inputBatch),
      batchArguments('weights', args.weightsBatch),
      batchArguments('output', args.outputBatch),
      batchArguments('residual', args.residualBatch),
      divisorArguments('places', args.lines * args.lineWidth),
      divisorArguments('lineWidth', args.lineWidth),
      divisorArguments('channels', args.channels),
      divisorArguments('kernelWidth', args.kernel[1]),
      windowArguments(args, args),
      placeArguments('input', args.inputPlaces),
      {
        input: pointerTo(input),
        weights: pointerTo(weights),
        partials: partials && { buffer: partials, offsetBytes: 0 },
        counters: partials && { buffer: splitCounters, offsetBytes: 0 },
        innerCount: inner,
        innerChannels: args.innerChannels,
        splits,
        stepsPerSplit: Math.ceil(stepsOf(size, tile) / splits),
        rows: size.rows,
        columns: size.columns,
        depth: size.depth,
        paddingBytes: args.precision === 'int8' ? (args.paddingValue & 0xff) * 0x01010101 : 0,
        weightsColumn: args.weightsStrides.column,
        weightsDepth: args.weightsStrides.depth,
        inputStorage: storageOf(input),
        weightsStorage: storageOf(weights),
        weightsConstant: weights.buffer.kind === 'constant' ? 1 : 0,
      },
    ),
    reads: [input.buffer, weights.buffer, ...epilogueReads(epilogue), ...shared],
    writes: [output.buffer, ...shared],
    tactic: tacticName(size, tactic),
  }
}

/** Names of everything that can compute this product, best guess first. */
export function productTacticNames(args: ProductArgs): string[] {
  const size = productSize(args)
  return tacticsOf(args, size).map((tactic) => tacticName(size, tactic))
}

function tacticsOf({ device, splitDepth = true }: ProductArgs, size: ProductSize): Tactic[] {
  return productTactics(size, device, splitDepth)
}

function chooseTactic(args: ProductArgs, size: ProductSize): Tactic {
  const tactics = tacticsOf(args, size)
  const { tactic: wanted } = args
  const chosen = wanted === undefined ? tactics[0] : tactics.find((tactic) => tacticName(size, tactic) === wanted)
  if (chosen) return chosen
  const names = tactics.map((tactic) => tacticName(size, tactic))
  throw new Error(`No tactic ${wanted ?? 'at all'} for this product; there are: ${names.join(', ') || 'none'}.`)
}

function productSize(args: ProductArgs): ProductSize {
  const type = operandType(args)
  return {
    type,
    loader: chooseLoader(args, type),
    rows: args.images * args.lines * args.lineWidth,
    columns: args.columns,
    depth: args.channels * args.kernel[0] * args.kernel[1],
    batch: args.batch[0] * args.batch[1],
  }
}

function operandType({ precision, input, weights, device }: ProductArgs): OperandType {
  const wrong = () =>
    new Error(`No ${precision} product of ${input.dtype} and ${weights.dtype} on ${device.computeCapability}.`)
  if (precision === 'int8') {
    if (weights.dtype !== 'int8') throw wrong()
    if (input.dtype === 'int8') return 's8'
    if (input.dtype === 'uint8') return 'u8'
    throw wrong()
  }
  // Integer inputs of float products are read as the numbers that they are: images.
  if (weights.dtype !== 'float32' && weights.dtype !== 'float16') throw wrong()
  if (precision === 'fp16') return 'f16'
  if (precision === 'tf32' && device.computeCapability < 80) throw wrong()
  return precision === 'tf32' ? 'tf32' : 'f32'
}

function chooseLoader(args: ProductArgs, type: OperandType): Loader {
  const inputVector = inputVectorBytes(args, type)
  const { column, depth } = args.weightsStrides
  const { weights, weightsPadded, weightsBatch, columns, channels, kernel } = args
  const bytes = operandBytes[type]
  const wide = (...elements: number[]) => elements.every((count) => (count * bytes) % 16 === 0)
  const loadable =
    weights.dtype === (bytes === 1 ? 'int8' : bytes === 2 ? 'float16' : 'float32') &&
    wide(weights.offset, ...weightsBatch)
  const byColumn = loadable && depth === 1 && wide(column) && (weightsPadded || wide(channels * kernel[0] * kernel[1]))
  const byDepth = loadable && column === 1 && wide(depth, columns)
  if (inputVector === 16 && byColumn) return 'v16'
  if (inputVector === 16 && byDepth && hasLoader(type, 'v16_depth')) return 'v16_depth'
  if (inputVector >= 4 && byColumn && hasLoader(type, 'v4')) return 'v4'
  return byColumn ? 'any' : 'any_any'
}

/** How many bytes of the input can be copied at a time: 16, 4, or 0 where elements are gathered one by one. */
function inputVectorBytes(args: ProductArgs, type: OperandType): 16 | 4 | 0 {
  const { input, inputPlaces, inputBatch, channels } = args
  const bytes = operandBytes[type]
  if (bytesPerElement(input.dtype) !== bytes || (inputPlaces.channel !== 1 && channels > 1)) return 0
  const { image, line, pixel } = inputPlaces
  const steps = [input.offset, channels, image, line, pixel, ...inputBatch].map((elements) => elements * bytes)
  for (const vector of [16, 4] as const) if (steps.every((step) => step % vector === 0)) return vector
  return 0
}

/** Kernels index the input of one product with 32 bits. */
function checkReach({ images, height, width, channels, inputPlaces }: ProductArgs): void {
  const { image, line, pixel, channel } = inputPlaces
  const last = (images - 1) * image + (height - 1) * line + (width - 1) * pixel + (channels - 1) * channel
  if (last >= 2 ** 31) throw new Error(`An input of ${last + 1} elements is too large for one product.`)
}
