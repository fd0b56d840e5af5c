import { InputError, Tensor } from '@lowlat/core'
import type { Graph, Node, Value } from '@lowlat/onnx'
import type { WeightParameters, WeightSite } from '../sites.ts'
import type { Recipe } from '../targets/recipe.ts'
import { roundHalfEven } from '../weights/channel-scale.ts'
import { fitBias } from './fit-bias.ts'
import type { Insertion } from './insertion.ts'

/** Replaces a layer's weight by integers behind DequantizeLinear, and its bias as well where the recipe asks for it. */
export function insertWeight(insertion: Insertion, site: WeightSite, biasType: Recipe['bias']): void {
  const { graph, parameters } = insertion
  const node = insertion.node(site.node)
  const float = insertion.value(site.value)
  const chosen = insertion.weight(site.node)
  const biasIndex = site.bias?.index ?? 2
  const old = node.inputs[biasIndex]
  const replaced = parameters.biases.get(site.node)
  const bias = replaced ?? old?.initializer?.tensor.toFloat32()
  if (replaced && node.opType === 'MatMul') throw biasOfMatMul(node)
  if (bias && biasType === 'int32') {
    const { scale } = insertion.activation(site.input)
    const fitted = fitBias(chosen, float.initializer!.shape, bias, scale)
    node.setInput(site.index, dequantizedWeight(insertion, float, fitted))
    node.setInput(biasIndex, dequantizedBias(insertion, node, bias, fitted, scale))
  } else {
    node.setInput(site.index, dequantizedWeight(insertion, float, chosen))
    if (replaced) node.setInput(biasIndex, addFloats(graph, biasName(node), replaced))
  }
  for (const value of [float, old]) if (value?.initializer && value.uses.length === 0) graph.removeValue(value)
}

function dequantizedWeight(insertion: Insertion, float: Value, parameters: WeightParameters): Value {
  const { graph, constants, weights } = insertion
  const { dtype, axis, scales, zeroPoints, data } = parameters
  const known = weights.get(parameters)
  if (known) return known
  const tensor = Tensor.fromBytes(
    dtype,
    float.initializer!.shape,
    new Uint8Array(data.buffer, data.byteOffset, data.length),
  )
  const integers = graph.addInitializer(graph.uniqueName(`${float.name}.${dtype}`), tensor)
  const perChannel = axis !== undefined
  const inputs = [
    integers,
    constants.scale(perChannel ? scales : scales[0]!),
    constants.zeroPoint(dtype, perChannel ? zeroPoints : zeroPoints[0]!),
  ]
  const value = dequantize(graph, `${float.name}.DequantizeLinear`, inputs, axis)
  weights.set(parameters, value)
  return value
}

function dequantizedBias(
  insertion: Insertion,
  node: Node,
  bias: Float32Array,
  { axis, scales }: WeightParameters,
  inputScale: number,
): Value {
  const { graph, constants } = insertion
  const biasScales = scales.map((scale) => scale * inputScale)
  const integers = bias.map((value, channel) => value / biasScales[axis === undefined ? 0 : channel]!)
  const perChannel = axis !== undefined
  const inputs = [
    graph.addInitializer(graph.uniqueName(`${biasName(node)}.int32`), int32Tensor(integers)),
    constants.scale(perChannel ? biasScales : biasScales[0]!),
    constants.zeroPoint('int32', perChannel ? new Int32Array(bias.length) : 0),
  ]
  return dequantize(graph, `${biasName(node)}.DequantizeLinear`, inputs, perChannel ? 0 : undefined)
}

const int32Tensor = (values: Float32Array) =>
  new Tensor('int32', [values.length], Int32Array.from(values, roundHalfEven))

function dequantize(graph: Graph, name: string, inputs: readonly Value[], axis: number | undefined): Value {
  const attributes = axis === undefined ? {} : { axis }
  const unique = graph.uniqueName(name)
  const spec = { opType: 'DequantizeLinear', name: unique, inputs, outputs: [unique], attributes }
  return graph.addNode(spec, { before: graph.nodes[0]! }).outputs[0]!
}

const biasName = (node: Node) => node.inputs[2]?.name ?? `${node.name}.bias`

function addFloats(graph: Graph, name: string, data: Float32Array): Value {
  return graph.addInitializer(graph.uniqueName(name), new Tensor('float32', [data.length], data))
}

function biasOfMatMul(node: Node): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected no bias for the MatMul node '${node.name}', which has no input for one.`,
    remedy: 'Correct biases of Conv, ConvTranspose and Gemm only.',
    details: { node: node.name },
  })
}
