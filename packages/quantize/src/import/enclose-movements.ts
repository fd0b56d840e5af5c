import { type Graph, type Node, topologicalOrder, type Value } from '@lowlat/onnx'
import { activationQuantization, hasParameters, isQuantize } from './linear-quantization.ts'

/** Operators that hand on elements of their first input and compute nothing. */
const movements = new Set(
  'Concat Expand Flatten Gather Identity MaxPool Reshape Slice Split Squeeze Tile Transpose Unsqueeze'.split(' '),
)

/**
 * What moves integers around (MaxPool, Reshape and the like behind a QuantizeLinear) moves the real values instead, with
 * the same scale before and after, which is how Q/DQ models say it.
 * @returns the number of operators that were enclosed.
 */
export function encloseMovements(graph: Graph): number {
  let count = 0
  for (const node of topologicalOrder(graph)) {
    if (node.domain !== '' || !movements.has(node.opType)) continue
    const operands = node.opType === 'Concat' ? [...node.inputs.keys()] : [0]
    const producers = operands.map((index) => node.inputs[index]?.producer)
    const [first] = producers
    const known = isQuantize(first) ? activationQuantization(first) : undefined
    if (!known || !producers.every((producer) => isQuantize(producer) && hasParameters(producer, known))) continue
    enclose(graph, node, operands, first!)
    count++
  }
  return count
}

function enclose(graph: Graph, node: Node, operands: readonly number[], quantize: Node): void {
  const parameters = quantize.inputs.slice(1)
  for (const index of operands) {
    const integers = node.inputs[index]!
    const outputs = [`${integers.name}.real`]
    const inputs = [integers, ...parameters]
    const real = graph.addNode({ opType: 'DequantizeLinear', inputs, outputs }, { before: node }).outputs[0]!
    real.elementType = 'float32'
    node.setInput(index, real)
  }
  for (const output of node.opType === 'MaxPool' ? node.outputs.slice(0, 1) : node.outputs) {
    if (!output || output.uses.length === 0) continue
    const again = graph.addNode({ opType: 'QuantizeLinear', inputs: [output, ...parameters] }, { after: node })
    const integers: Value = again.outputs[0]!
    integers.elementType = output.elementType
    integers.shape = output.shape
    graph.replaceUses(output, integers, again)
    output.elementType = 'float32'
  }
}
