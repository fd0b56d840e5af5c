import { sizeOf } from '@lowlat/core'
import { convolution } from '../../kernels/convolution.ts'
import { packConvolutionWeights, packedConvolutionShape, weightDTypes } from '../../kernels/packing.ts'
import type { View } from '../../program/view.ts'
import { pixelPitch } from '../layout.ts'
import type { Lowering } from '../lowering.ts'
import { sliceView } from '../views.ts'
import { epilogueOf, outputDType } from './epilogue.ts'
import type { Layer } from './layer.ts'
import { constantOperandOf } from './operands.ts'
import { canStore, floatPrecision } from './precision.ts'
import { type AxisPhase, phasesOf, transposedAxesOf } from './transposed-shape.ts'

/** One convolution for every place that an element of the result can have between the strides. */
export function lowerTransposedConvolution(layer: Layer, context: Lowering): void {
  const { node, tail } = layer
  const { facts } = context
  const [inputs, rows] = facts.shape(node.inputs[1]!) as [number, number]
  const group = node.int('group', 1)
  const precision = floatPrecision(facts.storageOf(node.outputs[0]!), facts)
  const channels = rows * group
  const epilogue = epilogueOf(layer, context, { channels, bias: node.inputs[2], channelOf: () => 0 })
  const dtype = outputDType(layer, context)
  const output = context.destinationFor(tail.output, {
    dtype,
    layout: 'channels-last',
    accepts: (view) => canStore(view.dtype, dtype) && (pixelPitch(view) !== undefined || view.buffer.kind === 'output'),
  })
  const source = context.viewOf(node.inputs[0]!)
  const input = context.channelsLast(source, { dtype: precision === 'fp16' ? 'float16' : 'float32' })
  const phases = combinations(transposedAxesOf(node, facts).map(phasesOf))
  for (const phase of phases) {
    const { residual } = epilogue
    const args = {
      precision,
      input,
      weights: phaseWeights(layer, phase, { inputs, rows, group }, context),
      output: phaseView(output, phase, layer, context),
      kernel: phase.map(({ taps }) => Math.max(1, taps.length)),
      strides: phase.map(() => 1),
      dilations: phase.map(({ dilation }) => dilation),
      padsBefore: phase.map(({ padBefore }) => padBefore),
      group,
      epilogue: {
        ...epilogue,
        residual: residual && { ...residual, view: phaseView(residual.view, phase, layer, context) },
      },
      device: facts.device,
    }
    context.emit(convolution(args), { precision })
  }
  context.define(tail.output, output)
}

function combinations<T>([first, ...rest]: readonly (readonly T[])[]): T[][] {
  return first ? first.flatMap((one) => combinations(rest).map((others) => [one, ...others])) : [[]]
}

function phaseView(view: View, phases: readonly AxisPhase[], { node }: Layer, { facts }: Lowering): View {
  const axes = transposedAxesOf(node, facts)
  return phases.reduce(
    (part, { phase, count }, axis) => sliceView(part, axis + 2, phase, count, axes[axis]!.stride),
    view,
  )
}

/** ONNX's [C, M / group, spatial...] as those of an ordinary convolution with some taps: [M, C / group, taps...]. */
function phaseWeights(
  { node }: Layer,
  phases: readonly AxisPhase[],
  { inputs, rows, group }: { inputs: number; rows: number; group: number },
  context: Lowering,
): View {
  const operand = constantOperandOf(node.inputs[1]!, context.facts)!
  const kernel = operand.shape.slice(2)
  const precision = floatPrecision(context.facts.storageOf(node.outputs[0]!), context.facts)
  const perGroup = inputs / group
  const counts = phases.map(({ taps }) => Math.max(1, taps.length))
  const shape = [rows * group, perGroup, ...counts]
  const places = combinations(phases.map(({ taps }) => (taps.length === 0 ? [undefined] : taps)))
  const size = sizeOf(kernel)
  const pack = (weights: Float32Array) => {
    const values = new Float32Array(rows * group * perGroup * places.length)
    let at = 0
    for (let row = 0; row < rows * group; row++) {
      for (let channel = 0; channel < perGroup; channel++) {
        const start = ((Math.floor(row / rows) * perGroup + channel) * rows + (row % rows)) * size
        for (const place of places) {
          const tap = place.reduce<number | undefined>((index, one, axis) => {
            return index === undefined || one === undefined ? undefined : index * kernel[axis]! + one
          }, 0)
          values[at++] = tap === undefined ? 0 : weights[start + tap]!
        }
      }
    }
    return packConvolutionWeights(values, shape, precision)
  }
  const packing = `transposed ${group} ${places.map((place) => place.join(',')).join(' ')} ${operand.key} ${precision}`
  const packedShape = packedConvolutionShape(shape, precision)
  return context.packAll(operand.values, packing, weightDTypes[precision], packedShape, (tensors) =>
    pack(operand.floats(tensors)),
  )
}
