import type { Graph, Node, Pass } from '@lowlat/onnx'
import { isOperator } from '../quantized.ts'

/**
 * Gives every reader of a DequantizeLinear one of its own: layers and element-wise kernels read the integers themselves.
 * The last pass, since others would join them again.
 */
export const separateDequantize: Pass = {
  name: 'separate-dequantize',
  run(graph) {
    let changes = 0
    for (const node of [...graph.nodes]) if (isOperator(node, 'DequantizeLinear')) changes += separate(graph, node)
    return changes
  },
}

function separate(graph: Graph, node: Node): number {
  const output = node.outputs[0]!
  const [, ...others] = output.uses.filter((use) => use.kind === 'node' && graph.nodes.includes(use.node))
  // An output of the graph keeps the first node to itself.
  const uses = output.uses.every(({ kind }) => kind === 'node') ? others : output.uses
  let count = 0
  for (const use of [...uses]) {
    if (use.kind !== 'node' || !graph.nodes.includes(use.node)) continue
    const attributes = Object.fromEntries(node.attributes)
    const name = graph.uniqueName(output.name)
    const spec = { opType: 'DequantizeLinear', name, inputs: node.inputs, outputs: [name], attributes }
    const [copy] = graph.addNode(spec, { after: node }).outputs
    copy!.elementType = output.elementType
    copy!.shape = output.shape
    use.node.setInput(use.index, copy)
    count++
  }
  return count
}
