import { type DType, isDType, sizeOf, Tensor } from '@lowlat/core'
import { type Graph, type Node, topologicalOrder, type Value } from '@lowlat/onnx'
import { isDequantize, isQuantize } from './linear-quantization.ts'

/**
 * One form for the parameters of every QuantizeLinear and DequantizeLinear: ONNX's own operators, scalars where there is
 * one scale in all (which exporters also write as a vector of one), and a zero point of the right type.
 */
export function normalizeParameters(graph: Graph): void {
  const scalars = new Map<Value, Value>()
  const asScalar = (value: Value | undefined) => {
    const constant = value?.initializer
    if (!value || !constant || constant.shape.length === 0 || sizeOf(constant.shape) !== 1) return value
    const known = scalars.get(value)
    if (known) return known
    const scalar = graph.addInitializer(graph.uniqueName(value.name), constant.tensor.reshape([]))
    scalars.set(value, scalar)
    return scalar
  }
  // Producers first, since a DequantizeLinear without a zero point has the type that its producer writes.
  for (const node of topologicalOrder(graph)) {
    if (!/^(De)?[Qq]uantizeLinear$/.test(node.opType)) continue
    if (node.domain === 'com.microsoft' && isOfEightBits(node)) node.domain = ''
    if (!isQuantize(node) && !isDequantize(node)) continue
    for (const index of [1, 2]) if (node.inputs[index]) node.setInput(index, asScalar(node.inputs[index]))
    if (node.inputs[1]?.initializer?.shape.length === 0) node.removeAttribute('axis')
    addZeroPoint(graph, node)
  }
}

const isOfEightBits = (node: Node) => ['int8', 'uint8'].includes(String(typeOfIntegers(node)))

function typeOfIntegers(node: Node): DType | undefined {
  const [value, , zeroPoint] = node.inputs
  const stated = zeroPoint?.initializer?.elementType ?? zeroPoint?.elementType
  if (isDType(stated)) return stated
  if (node.opType === 'QuantizeLinear') return node.attributes.has('output_dtype') ? undefined : 'uint8'
  const read = value?.initializer?.elementType ?? value?.elementType
  if (isDType(read)) return read
  return isQuantize(value?.producer) ? typeOfIntegers(value.producer) : undefined
}

function addZeroPoint(graph: Graph, node: Node): void {
  const dtype = typeOfIntegers(node)
  const scale = node.inputs[1]?.initializer
  if (node.inputs[2] || !scale || !dtype || dtype === 'int32') return
  node.setInput(
    2,
    graph.addInitializer(graph.uniqueName(`${node.inputs[1]!.name}.zeroPoint`), Tensor.zeros(dtype, scale.shape)),
  )
}
