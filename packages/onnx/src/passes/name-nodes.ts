import type { Graph } from '../graph/graph.ts'
import { walkNodes } from '../graph/order.ts'
import type { Pass } from './pass.ts'

/**
 * Gives every node, also of subgraphs, a name of its own: the one that it has where no earlier node has it, else the
 * operator's name with a number. Returns how many nodes were renamed.
 */
export function nameNodes(graph: Graph): number {
  const nodes = [...walkNodes(graph)]
  const taken = new Set(nodes.map((node) => node.name))
  const kept = new Set([''])
  const counts = new Map<string, number>()
  let changes = 0
  for (const node of nodes) {
    if (kept.has(node.name)) {
      const base = node.name || node.opType
      let count = counts.get(base) ?? 0
      do count++
      while (taken.has(`${base}_${count}`))
      counts.set(base, count)
      node.name = `${base}_${count}`
      taken.add(node.name)
      changes++
    }
    kept.add(node.name)
  }
  return changes
}

export const nameNodesPass: Pass = { name: 'name-nodes', run: nameNodes }
