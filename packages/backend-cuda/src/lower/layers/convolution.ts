import { convolution } from '../../kernels/convolution.ts'
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
import { epilogueOf, outputDType } from './epilogue.ts'
import type { Layer } from './layer.ts'
import { constantOperandOf, integersOf } from './operands.ts'
import { canStore, floatPrecision } from './precision.ts'

/** Fewer channels per group than this are read as they lie: to rearrange them takes longer than to gather them. */
const fewChannels = 8

export function lowerConvolution(layer: Layer, context: Lowering): void {
  const { node, integers, tail } = layer
  const { facts } = context
  const shape = convolutionShapeOf(node, facts)
  const precision: ProductPrecision = integers ? 'int8' : floatPrecision(facts.storageOf(node.outputs[0]!), facts)
  const weightShape = facts.shape(node.inputs[1]!)
  const channels = weightShape[0]!
  const perChannel = weightShape.slice(1).reduce((product, size) => product * size, 1)
  const epilogue = epilogueOf(layer, context, {
    channels,
    bias: node.inputs[2],
    channelOf: (index) => Math.floor(index / perChannel),
  })
  const isDepthwise = shape.group > 1 && shape.group === channels && weightShape[1] === 1
  const source = context.viewOf(integers?.input.integers ?? node.inputs[0]!)
  const dtype = outputDType(layer, context)
  const output = context.destinationFor(tail.output, {
    dtype,
    layout: 'channels-last',
    accepts: (view) => canStore(view.dtype, dtype) && (pixelPitch(view) !== undefined || view.buffer.kind === 'output'),
  })
  const input = inputView(source, precision, isDepthwise ? source.shape[1]! : weightShape[1]!, context)
  const weights = weightsView(layer, precision, isDepthwise, context)
  const paddingValue = integers?.input.quantization.zeroPoint
  const args = { ...shape, precision, input, weights, output, paddingValue, epilogue, device: facts.device }
  context.emit(isDepthwise ? depthwiseConvolution(args) : convolution(args), { precision })
  context.define(tail.output, output)
}

function inputView(view: View, precision: ProductPrecision, channels: number, context: Lowering): View {
  const dtype = precision === 'int8' ? view.dtype : precision === 'fp16' ? 'float16' : 'float32'
  if (channels < fewChannels && bytesPerElement(view.dtype) >= bytesPerElement(dtype)) return view
  return context.channelsLast(view, { dtype })
}

function weightsView(
  { node, integers }: Layer,
  precision: ProductPrecision,
  isDepthwise: boolean,
  context: Lowering,
): View {
  const value = node.inputs[1]!
  const shape = context.facts.shape(value)
  const packing = isDepthwise ? 'depthwise' : 'convolution'
  const pack = isDepthwise ? packDepthwiseWeights : packConvolutionWeights
  const taps = shape.slice(2).reduce((product, size) => product * size, 1)
  const packedShape = isDepthwise ? [taps, shape[0]!] : packedConvolutionShape(shape, precision)
  const dtype = weightDTypes[precision]
  if (integers) {
    return context.pack(integers.weight.integers, packing, dtype, packedShape, (tensor) =>
      pack(integersOf(tensor), shape, precision),
    )
  }
  const operand = constantOperandOf(value, context.facts)!
  return context.packAll(operand.values, `${packing} ${operand.key} ${precision}`, dtype, packedShape, (tensors) =>
    pack(operand.floats(tensors), shape, precision),
  )
}
