import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { type Pass, walkGraphs } from './pass.ts'

/** Nodes whose outputs nobody reads, and then weights that nobody reads. Inputs stay, as part of the interface. */
export const removeDeadCode: Pass = {
  name: 'remove-dead-code',
  run(graph) {
    let changes = 0
    // Inner graphs first: what they no longer read may die around them.
    for (const each of [...walkGraphs(graph)].reverse()) changes += removeNodes(each)
    for (const each of walkGraphs(graph)) changes += removeWeights(each)
    return changes
  },
}

function removeNodes(graph: Graph): number {
  let changes = 0
  const alive = new Set(graph.nodes)
  const queue = [...graph.nodes].reverse()
  for (let at = 0; at < queue.length; at++) {
    const node = queue[at]!
    if (!alive.has(node) || !isDead(node)) continue
    const producers = node.inputs.flatMap((input) => input?.producer ?? [])
    graph.removeNode(node)
    alive.delete(node)
    queue.push(...producers.filter((producer) => alive.has(producer)))
    changes++
  }
  return changes
}

/** Operators of ONNX have no effect but their outputs. */
function isDead(node: Node): boolean {
  return node.outputs.every((output) => !output || output.uses.length === 0)
}

function removeWeights(graph: Graph): number {
  const inputs = new Set(graph.inputs)
  const unused = graph.initializers.filter((value) => value.uses.length === 0 && !inputs.has(value))
  for (const value of unused) graph.removeValue(value)
  return unused.length
}
