import { Tensor } from '@lowlat/core'
import type { Graph, Node, Value } from '@lowlat/onnx'
import { weightedLayerOf } from './weighted-layer.ts'

/**
 * A 1x1 Conv on the single position behind a GlobalAveragePool, with no layer after it, becomes a Gemm: the same
 * products, which backends can also compute from integers to float. Rounded to 256 steps, the scores of many classes would
 * be equal. Returns the number of changes.
 */
export function finalConvToGemm(graph: Graph): number {
  const convs = graph.nodes.filter((node) => isPointwise(node) && isFinal(node.outputs[0]!))
  for (const node of convs) replace(graph, node)
  return convs.length
}

function isPointwise(node: Node): boolean {
  if (node.opType !== 'Conv' || !weightedLayerOf(node)) return false
  const [, , ...kernel] = node.inputs[1]!.initializer!.shape
  if (kernel.some((size) => size !== 1) || node.int('group', 1) !== 1) return false
  const pads = node.string('auto_pad', 'NOTSET') !== 'NOTSET' ? [] : node.ints('pads', [])
  return pads.every((pad) => pad === 0) && node.inputs[0]!.producer?.opType === 'GlobalAveragePool'
}

/** Whether the value reaches outputs of the graph alone, without another layer on the way. */
function isFinal(value: Value): boolean {
  const seen = new Set([value])
  for (const each of seen) {
    for (const use of each.uses) {
      if (use.kind === 'output') continue
      if (use.node.subgraphs.length > 0 || weightedLayerOf(use.node)) return false
      for (const output of use.node.outputs) if (output) seen.add(output)
    }
  }
  return true
}

/** [N, C, 1, 1] -> [N, C] -> [N, M] -> [N, M, 1, 1] */
function replace(graph: Graph, node: Node): void {
  const [input, weight, bias] = node.inputs
  const output = node.outputs[0]!
  const { tensor } = weight!.initializer!
  const [channels = 0, depth = 0, ...kernel] = tensor.shape
  const constant = (name: string, value: Tensor) => graph.addInitializer(graph.uniqueName(name), value)
  const matrix = constant(weight!.name, tensor.reshape([channels, depth]))
  const axes = constant(
    `${node.name}.axes`,
    new Tensor(
      'int64',
      [kernel.length],
      BigInt64Array.from(kernel, (_, i) => BigInt(i + 2)),
    ),
  )
  const add = (opType: string, inputs: (Value | undefined)[], attributes = {}) => {
    const name = graph.uniqueName(`${node.name}.${opType}`)
    return graph.addNode({ opType, name, inputs, outputs: [name], attributes }, { before: node }).outputs[0]!
  }
  const flat = add('Flatten', [input], { axis: 1 })
  const product = add('Gemm', bias ? [flat, matrix, bias] : [flat, matrix], { transB: 1 })
  graph.replaceUses(output, add('Unsqueeze', [product, axes]))
  graph.removeNode(node)
  if (weight!.uses.length === 0) graph.removeValue(weight!)
}
