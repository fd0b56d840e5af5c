import { Tensor } from '@lowlat/core'
import { evaluateNode, type Graph, type Value } from '@lowlat/onnx'
import { roundHalfEven } from '../weights/channel-scale.ts'
import { type Layer, layersOf } from './layer.ts'
import { isDequantize, quantizationOf } from './linear-quantization.ts'

const LARGEST = 2 ** 31 - 1
/** Scales of the model and products computed anew differ by rounding alone: half a step of the largest int32 or less. */
const SAME_SCALE = 2 ** -22

/**
 * Biases of integer layers as int32 behind DequantizeLinear, with scale input * weight: what kernels add to their sums.
 * One that int32 does not hold stays as it is.
 */
export function storeBiasesAsIntegers(graph: Graph): void {
  for (const layer of layersOf(graph)) {
    const { node, bias } = layer
    const scales = bias && sumScales(layer)
    if (!scales || hasScales(bias, scales)) continue
    const floats = floatsOf(bias)
    if (floats?.shape.length !== 1 || (scales.length > 1 && floats.size !== scales.length)) continue
    const steps = floats.toFloat32().map((value, i) => roundHalfEven(value / scales[scales.length === 1 ? 0 : i]!))
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
  }
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
  return known.scales.every((scale, i) => Math.abs(scale - wanted[i]!) <= SAME_SCALE * wanted[i]!)
}

/** A constant bias, whatever it is stored as. */
function floatsOf({ initializer, producer }: Value): Tensor | undefined {
  if (initializer) return initializer.elementType === 'float32' ? initializer.tensor : undefined
  if (!isDequantize(producer)) return undefined
  const constants = producer.inputs.map((value) => value?.initializer?.tensor)
  return evaluateNode(producer, constants)?.[0]
}
