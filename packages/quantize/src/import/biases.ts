import { Tensor } from '@lowlat/core'
import { evaluateNode, fusedOutput, type Graph, type Node, type Value } from '@lowlat/onnx'
import { roundHalfEven } from '../weights/channel-scale.ts'
import { type Layer, layersOf } from './layer.ts'
import { activationQuantization, isDequantize, isQuantize, quantizationOf, readersOf } from './linear-quantization.ts'
import type { Rounding } from './rounding.ts'

const LARGEST = 2 ** 31 - 1
/** Products of float32 that are computed anew differ by rounding alone: twice in a scale, once more in a bias. */
const SAME = 2 ** -22

/**
 * Biases of integer layers as int32 behind DequantizeLinear, with scale input * weight: what kernels add to their sums.
 * One that int32 does not hold stays as it is.
 * @returns those that are no multiples of that scale, and so are rounded to the nearest.
 */
export function storeBiasesAsIntegers(graph: Graph): Rounding[] {
  const rounded: Rounding[] = []
  for (const layer of layersOf(graph)) {
    const { node, bias } = layer
    const scales = bias && sumScales(layer)
    if (!scales || hasScales(bias, scales)) continue
    const floats = floatsOf(bias)
    if (floats?.shape.length !== 1 || (scales.length > 1 && floats.size !== scales.length)) continue
    const values = floats.toFloat32()
    const scaleAt = (channel: number) => scales[scales.length === 1 ? 0 : channel]!
    // As float64: float32 does not hold every int32.
    const steps = Array.from(values, (value, i) => roundHalfEven(value / scaleAt(i)))
    if (!steps.every((value) => Math.abs(value) <= LARGEST)) continue
    const constant = (suffix: string, tensor: Tensor) =>
      graph.addInitializer(graph.uniqueName(`${bias.name}.${suffix}`), tensor)
    const shape = scales.length === 1 ? [] : [scales.length]
    const inputs = [
      constant('int32', new Tensor('int32', [steps.length], Int32Array.from(steps))),
      constant('scale', new Tensor('float32', shape, scales)),
      constant('zeroPoint', Tensor.zeros('int32', shape)),
    ]
    const attributes: Record<string, number> = scales.length === 1 ? {} : { axis: 0 }
    const dequantize = graph.addNode({ opType: 'DequantizeLinear', inputs, attributes }, { before: node })
    dequantize.outputs[0]!.elementType = 'float32'
    dequantize.outputs[0]!.shape = floats.shape
    node.setInput(2, dequantize.outputs[0])
    const worstError = steps.reduce((most, step, i) => {
      const error = Math.abs(step * scaleAt(i) - values[i]!)
      return error <= SAME * Math.abs(values[i]!) ? most : Math.max(most, error)
    }, 0)
    if (worstError > 0) rounded.push({ kind: 'bias', ...sourceOf(bias), worstError, step: outputStep(node) })
  }
  return rounded
}

/** Name and type of the constant that a bias is. */
function sourceOf(bias: Value): Pick<Rounding, 'value' | 'from'> {
  const [integers] = bias.producer?.inputs ?? []
  if (!integers) return { value: bias.name, from: 'float32' }
  return { value: integers.name, from: `${integers.initializer?.elementType} of another scale` }
}

/** The smallest step that the output of a layer is quantized to; undefined where somebody reads it as floats. */
function outputStep(node: Node): number | undefined {
  const readers = readersOf(fusedOutput(node)!)
  if (!readers?.length || !readers.every(isQuantize)) return undefined
  const scales = readers.map((reader) => activationQuantization(reader)?.scales[0] ?? Number.NaN)
  const least = Math.min(...scales)
  return Number.isNaN(least) ? undefined : least
}

/** Biases of layers as float constants. */
export function storeBiasesAsFloats(graph: Graph): void {
  for (const { node, bias } of layersOf(graph)) {
    const floats = bias && !bias.initializer ? floatsOf(bias) : undefined
    if (floats) node.setInput(2, graph.addInitializer(graph.uniqueName(`${bias!.name}.float`), floats))
  }
}

/** What one step of a layer's sum stands for, per channel or in all; undefined for layers that do not add integers. */
function sumScales({ node, input, weight, axis }: Layer): Float32Array | undefined {
  if (node.opType === 'Gemm' && (node.float('alpha', 1) !== 1 || node.float('beta', 1) !== 1)) return undefined
  const activation = input && quantizationOf(input)
  const weights = weight && quantizationOf(weight)
  if (activation?.axis !== undefined || !activation || !weights) return undefined
  if (weights.axis !== undefined && weights.axis !== axis) return undefined
  return weights.scales.map((scale) => scale * activation.scales[0]!)
}

function hasScales(bias: Value, wanted: Float32Array): boolean {
  const known = isDequantize(bias.producer) ? quantizationOf(bias.producer) : undefined
  if (known?.dtype !== 'int32' || known.scales.length !== wanted.length) return false
  return known.scales.every((scale, i) => Math.abs(scale - wanted[i]!) <= SAME * wanted[i]!)
}

/** A constant bias, whatever it is stored as. */
function floatsOf({ initializer, producer }: Value): Tensor | undefined {
  if (initializer) return initializer.elementType === 'float32' ? initializer.tensor : undefined
  if (!isDequantize(producer)) return undefined
  const constants = producer.inputs.map((value) => value?.initializer?.tensor)
  return evaluateNode(producer, constants)?.[0]
}
