import type { Node } from '../graph/node.ts'
import { nodePass } from './pass.ts'
import { isOperator } from './rewire.ts'

/** Two transpositions in sequence become one, the second; one that changes nothing is left to remove-identities. */
export const mergeTransposes = nodePass('merge-transposes', (node, graph) => {
  const first = node.inputs[0]?.producer
  if (!isOperator(node, graph, 'Transpose') || !isOperator(first, graph, 'Transpose') || !first.inputs[0]) return false
  const rank = [first, node].map((each) => rankOf(each)).find((each) => each !== undefined)
  if (rank === undefined) return false
  const [inner, outer] = [permutation(first, rank), permutation(node, rank)]
  const merged = outer.map((axis) => inner[axis])
  if (!merged.every((axis) => axis !== undefined)) return false
  node.setInput(0, first.inputs[0])
  node.setAttribute('perm', { type: 'ints', value: merged.map(BigInt) })
  return true
})

function rankOf(node: Node): number | undefined {
  return node.attributes.has('perm') ? node.ints('perm').length : node.inputs[0]!.shape?.length
}

/** Axis i of the output is this axis of the input; without the attribute the order is reversed. */
function permutation(node: Node, rank: number): readonly number[] {
  return node.ints(
    'perm',
    Array.from({ length: rank }, (_, axis) => rank - 1 - axis),
  )
}
