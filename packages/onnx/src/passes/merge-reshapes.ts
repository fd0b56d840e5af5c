import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { nodePass } from './pass.ts'
import { constantInts, intsArgument, isOperator, replaceValue } from './rewire.ts'

const reshapes = ['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']

/**
 * A Reshape of what was reshaped before reads the first source; a Squeeze and an Unsqueeze of the same axes in sequence
 * cancel each other.
 */
export const mergeReshapes = nodePass('merge-reshapes', (node, graph) => {
  const first = node.inputs[0]?.producer
  if (!isOperator(node, graph, ...reshapes) || !isOperator(first, graph, ...reshapes)) return false
  if (!first.inputs[0]) return false
  if (node.opType === 'Reshape') {
    if (!dependsOnSizeOnly(node)) return false
    node.setInput(0, first.inputs[0])
    return true
  }
  return areInverse(first, node) && removeBoth(graph, first, node)
})

/** A 0 in the shape means the size that the input has there, which another input need not have. */
function dependsOnSizeOnly(reshape: Node): boolean {
  return constantInts(reshape.inputs[1])?.every((size) => size !== 0) ?? false
}

/** Axes of both count in the same shape: that of the second one's output is that of the first one's input. */
function areInverse(first: Node, second: Node): boolean {
  const pair = [first.opType, second.opType].sort().join()
  const [a, b] = [first, second].map((node) => intsArgument(node, 'axes', 1)?.toSorted((x, y) => x - y))
  return pair === 'Squeeze,Unsqueeze' && a !== undefined && b !== undefined && a.join() === b.join()
}

function removeBoth(graph: Graph, first: Node, second: Node): boolean {
  if (!replaceValue(graph, second.outputs[0]!, first.inputs[0]!)) return false
  graph.removeNode(second)
  return true
}
