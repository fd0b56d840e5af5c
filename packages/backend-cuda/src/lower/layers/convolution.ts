import { sizeOf } from '@lowlat/core'
import { type ConvolutionArgs, convolution } from '../../kernels/convolution.ts'
import { depthwiseConvolution } from '../../kernels/depthwise.ts'
import {
  type ProductPrecision,
  packConvolutionWeights,
  packDepthwiseWeights,
  packedConvolutionShape,
  weightDTypes,
} from '../../kernels/packing.ts'
import { bytesPerElement, type View } from '../../program/view.ts'
import { pixelPitch } from '../layout.ts'
import type { Lowering } from '../lowering.ts'
import { convolutionShapeOf } from './convolution-shape.ts'
import { doubledView } from './doubled-view.ts'
import { epilogueOf, outputDType } from './epilogue.ts'
import type { Layer } from './layer.ts'
import { constantOperandOf } from './operands.ts'
import { canStore, floatPrecision } from './precision.ts'
import type { QuantizedWeight } from './quantized.ts'
import { inTurns, levelsOf, summandsOf } from './weight-levels.ts'

/** Fewer channels per group than this are read as they lie: to rearrange them takes longer than to gather them. */
const fewChannels = 8

type Operands = Pick<ConvolutionArgs, 'input' | 'weights'> & Partial<Pick<ConvolutionArgs, 'kernel' | 'dilations'>>

export function lowerConvolution(layer: Layer, context: Lowering): void {
  const { node, integers, tail } = layer
  const { facts } = context
  const shape = convolutionShapeOf(node, facts)
  const weightShape = facts.shape(node.inputs[1]!)
  const channels = weightShape[0]!
  const perChannel = sizeOf(weightShape.slice(1))
  const epilogue = epilogueOf(layer, context, {
    channels,
    bias: node.inputs[2],
    channelOf: (index) => Math.floor(index / perChannel),
  })
  const isDepthwise = shape.group > 1 && shape.group === channels && weightShape[1] === 1
  const precision: ProductPrecision = integers ? 'int8' : floatPrecision(facts.storageOf(node.outputs[0]!), facts)
  const source = context.viewOf(integers?.input.integers ?? node.inputs[0]!)
  const dtype = outputDType(layer, context)
  const output = context.destinationFor(tail.output, {
    dtype,
    layout: 'channels-last',
    accepts: (view) => canStore(view.dtype, dtype) && (pixelPitch(view) !== undefined || view.buffer.kind === 'output'),
  })
  const input = inputView(source, precision, isDepthwise ? source.shape[1]! : weightShape[1]!, context)
  const weight = integers?.weight
  const operands: Operands =
    weight && 'isWide' in weight
      ? integerOperands(weight, input, isDepthwise, shape.group, context)
      : { input, weights: floatWeights(layer, precision, isDepthwise, context) }
  const paddingValue = integers?.input.quantization.zeroPoint
  const args = { ...shape, ...operands, precision, output, paddingValue, epilogue, device: facts.device }
  context.emit(isDepthwise ? depthwiseConvolution(args) : convolution(args), { precision })
  context.define(tail.output, output)
}

function inputView(view: View, precision: ProductPrecision, channels: number, context: Lowering): View {
  const dtype = precision === 'int8' ? view.dtype : precision === 'fp16' ? 'float16' : 'float32'
  if (channels < fewChannels && bytesPerElement(view.dtype) >= bytesPerElement(dtype)) return view
  return context.channelsLast(view, { dtype })
}

const tapsOf = (shape: readonly number[]): number => sizeOf(shape.slice(2))

function floatWeights({ node }: Layer, precision: ProductPrecision, isDepthwise: boolean, context: Lowering): View {
  const operand = constantOperandOf(node.inputs[1]!, context.facts)!
  const { shape } = operand
  const packing = `${isDepthwise ? 'depthwise' : 'convolution'} ${operand.key} ${precision}`
  const pack = isDepthwise ? packDepthwiseWeights : packConvolutionWeights
  const packedShape = isDepthwise ? [tapsOf(shape), shape[0]!] : packedConvolutionShape(shape, precision)
  return context.packAll(operand.values, packing, weightDTypes[precision], packedShape, (tensors) =>
    pack(operand.floats(tensors), shape, precision),
  )
}

/**
 * Weights as int8. Those that need nine bits are sums of two: the kernel for depthwise convolutions adds them up, others
 * multiply every element of the input twice.
 */
function integerOperands(
  weight: QuantizedWeight,
  input: View,
  isDepthwise: boolean,
  group: number,
  context: Lowering,
): Operands {
  const { shape } = weight.integers.initializer!
  const [rows, channels, ...kernel] = shape as [number, number, ...number[]]
  const taps = tapsOf(shape)
  const pack = (packing: string, packedShape: readonly number[], make: (levels: Int16Array) => Uint8Array) =>
    context.packAll([weight.integers, weight.zeroPoints], packing, 'int8', packedShape, (tensors) =>
      make(levelsOf(weight, tensors)),
    )
  const asRows = (packing: string, valueShape: readonly number[], values: (levels: Int16Array) => Int8Array) =>
    pack(packing, packedConvolutionShape(valueShape, 'int8'), (levels) =>
      packConvolutionWeights(values(levels), valueShape, 'int8'),
    )
  if (isDepthwise) {
    const parts = (levels: Int16Array) => (weight.isWide ? summandsOf(levels) : [Int8Array.from(levels)])
    const weights = pack('depthwise', [weight.isWide ? 2 * taps : taps, rows], (levels) =>
      Buffer.concat(parts(levels).map((part) => packDepthwiseWeights(part, shape, 'int8'))),
    )
    return { input, weights }
  }
  if (!weight.isWide) return { input, weights: asRows('convolution', shape, (levels) => Int8Array.from(levels)) }
  if (taps === 1) {
    // Two taps at one place.
    const twice = [2, ...kernel.slice(1)]
    const weights = asRows('taps', [rows, channels, ...twice], (levels) => inTurns(summandsOf(levels), 1))
    return { input, weights, kernel: twice, dilations: kernel.map(() => 0) }
  }
  const weights = asRows('channels', [rows, 2 * channels, ...kernel], (levels) =>
    inTurns(summandsOf(levels), channels * taps),
  )
  return { input: doubledView(input, 1, group, 'channels-last', context), weights }
}
