import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { linearLayerOf, perChannel, setParameters } from './linear-layer.ts'
import { nodePass } from './pass.ts'
import { canReplace, isOperator, replaceValue, soleReader } from './rewire.ts'

/** A constant that is added per channel behind a Conv, ConvTranspose or Gemm becomes part of its bias. */
export const addBias = nodePass('add-bias', (node, graph) => {
  if (!isOperator(node, graph, 'Add') || node.inputs.length !== 2) return false
  return fold(node, graph, 0) || fold(node, graph, 1)
})

function fold(node: Node, graph: Graph, index: 0 | 1): boolean {
  const sum = node.inputs[index]
  const [output] = node.outputs
  const layer = linearLayerOf(sum?.producer, graph)
  if (!layer || !output || soleReader(sum!) !== node) return false
  const constant = perChannel(node.inputs[1 - index], layer.outChannels, layer.outputRank, 1)
  if (!constant || !graph.nodes.includes(layer.node) || !canReplace(graph, output, sum!)) return false
  setParameters(
    graph,
    layer,
    layer.bias.map((value, channel) => value + constant[channel]!),
  )
  replaceValue(graph, output, sum!)
  graph.removeNode(node)
  return true
}
