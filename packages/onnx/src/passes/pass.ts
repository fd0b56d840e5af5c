import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { topologicalOrder } from '../graph/order.ts'

/**
 * A rewriting of a graph and its subgraphs, in place. The inputs that a run must be fed, the outputs, their names and
 * declared types, and what is computed stay the same; float results may change by rounding. Initializers count as
 * constants even where they are declared as inputs too, since sessions feed required inputs only.
 */
export interface Pass {
  readonly name: string
  /** Returns the number of changes; 0 means that the graph is untouched. @throws LowlatError for an invalid model. */
  run(graph: Graph): number
}

/** The graph itself, then those inside its nodes. */
export function* walkGraphs(graph: Graph): Generator<Graph> {
  yield graph
  for (const node of graph.nodes) for (const subgraph of node.subgraphs) yield* walkGraphs(subgraph)
}

/**
 * A pass that looks at one node at a time, producers first.
 * @param rewrite says whether it changed anything. It may remove the node that it is given, but no other one: what
 * falls out of use is left to the removal of dead code.
 */
export function nodePass(name: string, rewrite: (node: Node, graph: Graph) => boolean): Pass {
  return {
    name,
    run(graph) {
      let changes = 0
      for (const each of [...walkGraphs(graph)]) {
        for (const node of topologicalOrder(each)) if (rewrite(node, each)) changes++
      }
      return changes
    },
  }
}
