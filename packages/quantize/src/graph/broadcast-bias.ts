import { Tensor } from '@lowlat/core'
import type { Graph, Node } from '@lowlat/onnx'

/**
 * A constant that a Gemm adds to every row alike, stored as a scalar, [1], [1, 1] or [1, N], becomes a vector [N]: whatever
 * works on biases then finds one element per channel. Returns the number of changes.
 */
export function broadcastGemmBiases(graph: Graph): number {
  const nodes = graph.nodes.filter((node) => node.opType === 'Gemm' && node.domain === '' && hasStoredShort(node))
  for (const node of nodes) broadcast(graph, node)
  return nodes.length
}

/** Output channels of a Gemm with a constant weight. */
export function gemmChannels(node: Node): number | undefined {
  return node.inputs[1]?.initializer?.shape[node.int('transB', 0) === 0 ? 1 : 0]
}

function hasStoredShort(node: Node): boolean {
  const bias = node.inputs[2]?.initializer
  const channels = gemmChannels(node)
  if (bias?.elementType !== 'float32' || channels === undefined) return false
  const isVector = bias.shape.length === 1 && bias.shape[0] === channels
  return !isVector && [1, channels].includes(bias.tensor.size) && bias.shape.slice(0, -1).every((size) => size === 1)
}

function broadcast(graph: Graph, node: Node): void {
  const old = node.inputs[2]!
  const channels = gemmChannels(node)!
  const data = old.initializer!.tensor.toFloat32()
  const vector = Float32Array.from({ length: channels }, (_, channel) => data[data.length === 1 ? 0 : channel]!)
  node.setInput(2, graph.addInitializer(graph.uniqueName(old.name), new Tensor('float32', [channels], vector)))
  if (old.uses.length === 0) graph.removeValue(old)
}
