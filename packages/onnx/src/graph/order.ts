import { invalidModel } from '../codec/errors.ts'
import type { Graph } from './graph.ts'
import type { Node } from './node.ts'

/** Every node of a graph and of its subgraphs, a node before those inside it. */
export function* walkNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node
    for (const subgraph of node.subgraphs) yield* walkNodes(subgraph)
  }
}

/**
 * The nodes in an order in which each comes after the producers of what it and its subgraphs read; the given order
 * where that is possible. @throws ModelError MODEL_INVALID naming a node on a cycle.
 */
export function topologicalOrder(graph: Graph): Node[] {
  const position = new Map(graph.nodes.map((node, index) => [node, index]))
  const waitingFor = new Map<Node, number>()
  const readers = new Map<Node, Node[]>()
  for (const node of graph.nodes) {
    const producers = producersFor(node, position)
    waitingFor.set(node, producers.size)
    for (const producer of producers) {
      const list = readers.get(producer)
      if (list) list.push(node)
      else readers.set(producer, [node])
    }
  }
  const order: Node[] = []
  const visit = (first: Node) => {
    // A stack instead of recursion: graphs are thousands of nodes deep.
    const ready = [first]
    for (let node = ready.pop(); node; node = ready.pop()) {
      order.push(node)
      for (const reader of readers.get(node) ?? []) {
        const rest = waitingFor.get(reader)! - 1
        waitingFor.set(reader, rest)
        // One that comes later in the list is visited when its turn comes.
        if (rest === 0 && position.get(reader)! < position.get(first)!) ready.push(reader)
      }
    }
  }
  for (const node of graph.nodes) if (waitingFor.get(node) === 0) visit(node)
  if (order.length === graph.nodes.length) return order
  const done = new Set(order)
  const stuck = graph.nodes.find((node) => !done.has(node))!
  throw invalidModel(`Expected a graph without cycles, but the ${stuck.opType} node '${stuck.name}' depends on itself.`)
}

function producersFor(node: Node, position: ReadonlyMap<Node, number>): Set<Node> {
  const producers = new Set<Node>()
  const add = (reader: Node) => {
    for (const input of reader.inputs) {
      const producer = input?.producer
      if (producer && position.has(producer)) producers.add(producer)
    }
  }
  add(node)
  for (const subgraph of node.subgraphs) for (const inner of walkNodes(subgraph)) add(inner)
  return producers
}
