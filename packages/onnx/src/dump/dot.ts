import type { Graph } from '../graph/graph.ts'
import type { Node } from '../graph/node.ts'
import { topologicalOrder, walkNodes } from '../graph/order.ts'
import type { Value } from '../graph/value.ts'
import { typeText } from './labels.ts'

export interface DotOptions {
  /** Nodes beyond this many are drawn as one; Graphviz takes minutes for thousands. Default 500. */
  readonly maxNodes?: number
}

/**
 * The graph in Graphviz's language (`dot -Tsvg`): a box per node with operator, name and shapes of its weights, an arrow
 * per value with its type, dashed where a subgraph reads it. Subgraphs themselves are not drawn. Equal graphs give equal text.
 */
export function dotFromGraph(graph: Graph, { maxNodes = 500 }: DotOptions = {}): string {
  const order = topologicalOrder(graph)
  const ids = new Map<Node | Value, string>()
  for (const [index, node] of order.entries()) ids.set(node, index < maxNodes ? `node${index}` : 'more')
  const inputs = graph.requiredInputs
  for (const [index, value] of inputs.entries()) ids.set(value, `input${index}`)
  const lines = [
    ...inputs.map((value) => `${ids.get(value)} [label=${quoted(value.name)}, shape=ellipse]`),
    ...order.slice(0, maxNodes).map((node) => `${ids.get(node)} [label=${quoted(labelOf(node))}]`),
    ...(order.length > maxNodes ? [`more [label="${order.length - maxNodes} more nodes", style=dashed]`] : []),
    ...graph.outputs.map((value, index) => `output${index} [label=${quoted(value.name)}, shape=ellipse]`),
    ...new Set(order.flatMap((node) => edgesTo(node, ids))),
    ...graph.outputs.flatMap((value, index) => edge(value, `output${index}`, ids, false)),
  ]
  const body = ['rankdir=TB', 'node [shape=box]', ...lines].map((line) => `  ${line}\n`).join('')
  return `digraph ${quoted(graph.name)} {\n${body}}\n`
}

function labelOf(node: Node): string {
  const weights = node.inputs.flatMap((value) => (value?.initializer ? [typeText(value.initializer)] : []))
  return [node.opType, ...(node.name ? [node.name] : []), ...weights].join('\n')
}

function edgesTo(node: Node, ids: ReadonlyMap<Node | Value, string>): string[] {
  const to = ids.get(node)!
  const direct = node.inputs.flatMap((value) => edge(value, to, ids, false))
  const inside = node.subgraphs.flatMap((subgraph) =>
    [...walkNodes(subgraph)].flatMap((inner) => inner.inputs.flatMap((value) => edge(value, to, ids, true))),
  )
  return [...direct, ...inside]
}

/** None for constants, for values inside subgraphs, and between nodes that are not drawn. */
function edge(value: Value | undefined, to: string, ids: ReadonlyMap<Node | Value, string>, dashed: boolean): string[] {
  const from = value && ids.get(value.producer ?? value)
  if (!from || from === to) return []
  return [`${from} -> ${to} [label=${quoted(typeText(value))}${dashed ? ', style=dashed' : ''}]`]
}

/** Graphviz knows the escapes of quotes and backslashes; a line break is written as \n. */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}
