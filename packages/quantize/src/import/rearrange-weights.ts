import { evaluateNode, type Graph, Initializer, type Node, topologicalOrder, type Value } from '@lowlat/onnx'
import { isDequantize, quantizationOf, setQuantization } from './linear-quantization.ts'

/** Rearrangements that leave the elements alone. */
const rearrangements = new Set(['Transpose', 'Reshape', 'Unsqueeze', 'Squeeze', 'Flatten'])

/**
 * A rearranged weight is stored rearranged (PyTorch's linear layers, TensorFlow's convolutions): backends look for the
 * integers right in front of the layer. Scales along an axis follow a Transpose; other rearrangements of such weights stay.
 * @returns the number of nodes that went.
 */
export function rearrangeWeights(graph: Graph): number {
  let count = 0
  for (const node of topologicalOrder(graph)) {
    const dequantize = node.inputs[0]?.producer
    if (node.domain !== '' || !rearrangements.has(node.opType) || !isDequantize(dequantize)) continue
    if (rearrange(graph, node, dequantize)) count++
  }
  return count
}

function rearrange(graph: Graph, node: Node, dequantize: Node): boolean {
  const integers = dequantize.inputs[0]!
  const quantization = quantizationOf(dequantize)
  if (!integers.initializer || !quantization || node.outputs[0]!.uses.some((use) => use.kind === 'output')) return false
  const axis = quantization.axis === undefined ? undefined : rearrangedAxis(node, quantization.axis, integers)
  if (axis === undefined && quantization.axis !== undefined) return false
  const others = node.inputs.slice(1).map((value) => value?.initializer?.tensor)
  const [result] = evaluateNode(node, [integers.initializer.tensor, ...others]) ?? []
  if (!result) return false
  const value = graph.addInitializer(graph.uniqueName(integers.name), Initializer.fromTensor(result))
  const output = node.outputs[0]!
  const copy = graph.addNode(
    { opType: 'DequantizeLinear', inputs: [value, ...dequantize.inputs.slice(1)], outputs: [output.name] },
    { before: node },
  )
  if (axis !== undefined) setQuantization(graph, copy, { ...quantization, axis })
  copy.outputs[0]!.elementType = 'float32'
  copy.outputs[0]!.shape = result.shape
  graph.replaceUses(output, copy.outputs[0]!)
  graph.removeNode(node)
  return true
}

function rearrangedAxis(node: Node, axis: number, { initializer }: Value): number | undefined {
  const rank = initializer!.shape.length
  const reversed = Array.from({ length: rank }, (_, i) => rank - 1 - i)
  return node.opType === 'Transpose' ? node.ints('perm', reversed).indexOf(axis) : undefined
}
