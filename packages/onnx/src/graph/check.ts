import { checkArgument, InputError, type Rule } from '@lowlat/core'
import { Graph } from './graph.ts'
import { topologicalOrder } from './order.ts'
import type { Value } from './value.ts'

const graphRule: Rule = { expected: 'a Graph', accepts: (value) => value instanceof Graph }

/**
 * Checks what edits can break: every value that is read is defined in the graph or around it, names are unique, and
 * nodes form no cycle. Cheap enough to run before and after every pass.
 * @throws InputError INVALID_ARGUMENT naming the value and its reader, and for what is no graph.
 */
export function checkGraph(graph: Graph, outer: ReadonlySet<Value> = new Set()): void {
  checkArgument('graph', graph, graphRule)
  const names = new Set<string>()
  const visible = new Set(outer)
  for (const value of graph.values()) {
    if (names.has(value.name)) throw inconsistent(graph, `the name '${value.name}' is defined twice`)
    names.add(value.name)
    visible.add(value)
  }
  for (const value of graph.initializers) {
    if (!value.initializer) throw inconsistent(graph, `the initializer '${value.name}' has no tensor`)
  }
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input && !visible.has(input)) {
        throw inconsistent(graph, `the ${node.opType} node '${node.name}' reads '${input.name}', which is not in it`)
      }
    }
    for (const subgraph of node.subgraphs) checkGraph(subgraph, visible)
  }
  for (const output of graph.outputs) {
    if (!visible.has(output)) throw inconsistent(graph, `its output '${output.name}' is not in it`)
  }
  topologicalOrder(graph)
}

function inconsistent(graph: Graph, what: string): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `The graph '${graph.name}' is inconsistent: ${what}.`,
    remedy: 'Add values and nodes through the methods of the graph that holds them.',
  })
}
