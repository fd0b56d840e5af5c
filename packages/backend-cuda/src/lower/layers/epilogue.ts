import type { DType, Tensor } from '@lowlat/core'
import type { Value } from '@lowlat/onnx'
import type { Epilogue } from '../../kernels/epilogue.ts'
import type { View } from '../../program/view.ts'
import { bytesOf } from '../constant-bytes.ts'
import type { Lowering } from '../lowering.ts'
import { broadcastView } from '../views.ts'
import type { IntegerOperands, Layer } from './layer.ts'
import { constantOperandOf } from './operands.ts'
import type { QuantizedWeight } from './quantized.ts'
import { levelsOf } from './weight-levels.ts'

interface EpilogueOptions {
  readonly channels: number
  /** Of the node itself, one element per channel. */
  readonly bias?: Value | undefined
  /** What the node's own bias is multiplied with; 1 if absent. */
  readonly beta?: number
  readonly alpha?: number
  /** Which channel each element of a constant int8 weight belongs to, in the order of the model. */
  readonly channelOf: (index: number) => number
  /** Added besides, of the result's shape: what a Gemm adds. */
  readonly added?: View | undefined
}

/** What follows the sums of a layer. */
export function epilogueOf(layer: Layer, context: Lowering, options: EpilogueOptions): Epilogue {
  const { tail, integers } = layer
  const { activation, residual, finalActivation, quantization } = tail
  const bias = integers?.bias ? tail.bias : (options.bias ?? tail.bias)
  const shape = context.facts.shape(layer.node.outputs[0]!)
  const integer = integers && integerEpilogue(integers, context, options)
  const residualView = residual && broadcastView(context.viewOf(residual.quantized?.integers ?? residual.value), shape)
  return {
    ...integer,
    alpha: integer?.alpha ?? options.alpha,
    bias: bias && biasView(bias, options.channels, bias === options.bias ? (options.beta ?? 1) : 1, context),
    activation,
    residual: options.added
      ? { view: options.added }
      : residualView && {
          view: residualView,
          quantization: residual.quantized?.quantization,
          operation: residual.operation,
        },
    finalActivation,
    quantization,
  }
}

/** How the result is stored: as the tail quantizes it, else in the storage dtype of the model's. */
export function outputDType({ tail }: Layer, context: Lowering): DType {
  return tail.quantization?.dtype ?? context.facts.storageOf(tail.output)
}

/** float32 [channels] */
function biasView(value: Value, channels: number, factor: number, context: Lowering): View {
  const operand = constantOperandOf(value, context.facts)
  if (!operand) return context.contiguous(vectorView(context.viewOf(value), channels), 'float32')
  const vector = (floats: Float32Array) =>
    new Float32Array(channels).map((_, channel) => floats[floats.length === 1 ? 0 : channel]! * factor)
  return context.packAll(operand.values, `bias ${operand.key} ${factor}`, 'float32', [channels], (tensors) =>
    bytesOf(vector(operand.floats(tensors))),
  )
}

function vectorView(view: View, channels: number): View {
  const axis = view.shape.indexOf(channels)
  return { ...view, shape: [channels], strides: [channels === 1 ? 1 : view.strides[axis]!] }
}

function integerEpilogue({ input, weight, bias }: IntegerOperands, context: Lowering, options: EpilogueOptions) {
  const { scale, zeroPoint } = input.quantization
  if (!('scales' in weight)) return { alpha: Math.fround(scale * weight.quantization.scale) }
  return {
    multiplier: multiplierView(weight, scale, options.channels, context),
    correction:
      zeroPoint === 0 && !bias ? undefined : correctionView(weight, bias?.integers, zeroPoint, context, options),
  }
}

function multiplierView({ scales }: QuantizedWeight, inputScale: number, channels: number, context: Lowering): View {
  return context.pack(scales, `multiplier ${inputScale}`, 'float32', [channels], (tensor) => {
    const values = tensor.toFloat32()
    return bytesOf(
      new Float32Array(channels).map((_, channel) => inputScale * values[values.length === 1 ? 0 : channel]!),
    )
  })
}

function correctionView(
  weight: QuantizedWeight,
  bias: Value | undefined,
  zeroPoint: number,
  context: Lowering,
  { channels, channelOf }: EpilogueOptions,
): View {
  const values = [weight.integers, weight.zeroPoints, bias]
  return context.packAll(values, `correction ${zeroPoint}`, 'int32', [channels], ([integers, zeros, added]) => {
    const corrections = new Int32Array(channels)
    if (zeroPoint !== 0) {
      for (const [index, level] of levelsOf(weight, [integers, zeros]).entries()) {
        const channel = channelOf(index)
        corrections[channel] = corrections[channel]! - zeroPoint * level
      }
    }
    const steps = added ? int32Of(added) : []
    for (const [channel, step] of steps.entries()) corrections[channel] = corrections[channel]! + step
    return bytesOf(corrections)
  })
}

function int32Of({ data, dtype }: Tensor): Int32Array {
  if (data instanceof Int32Array) return data
  throw new Error(`expected an int32 bias, got ${dtype}`)
}
