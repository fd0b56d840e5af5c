import type { Node, Value } from '@lowlat/onnx'
import type { Facts } from './facts.ts'
import type { Lowering } from './lowering.ts'
import type { Group, Rule } from './rule.ts'

/** What is lowered at once: nodes on the device as one, or one node on the host. */
export interface Unit {
  readonly kind: 'device' | 'host'
  readonly operator: string
  readonly nodes: readonly Node[]
  /** Values of other units and of the model that it reads, weights included, each once. */
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  /** Of device units. */
  readonly lower?: (context: Lowering) => void
  /** Of device units with one node. */
  readonly rule?: Rule
  /** Of host units: why it is no device unit. */
  readonly reason?: string
}

export function deviceUnit(node: Node, rule: Rule): Unit {
  const lower = (context: Lowering) => rule.lower(node, context)
  return { kind: 'device', operator: node.opType, nodes: [node], rule, lower, ...ends([node]) }
}

export function hostUnit(node: Node, reason: string): Unit {
  return { kind: 'host', operator: node.opType, nodes: [node], reason, ...ends([node]) }
}

export function groupUnit(group: Group): Unit {
  const { operator, nodes, outputs } = group
  const lower = (context: Lowering) => group.lower(context)
  return { kind: 'device', operator, nodes, lower, inputs: ends(nodes).inputs, outputs }
}

function ends(nodes: readonly Node[]): Pick<Unit, 'inputs' | 'outputs'> {
  const outputs = nodes.flatMap((node) => node.outputs.filter((output) => output !== undefined))
  const inputs = new Set(nodes.flatMap((node) => [...readBy(node)]))
  for (const output of outputs) inputs.delete(output)
  return { inputs: [...inputs], outputs }
}

/** Subgraphs read values of the graph around them. */
function* readBy(node: Node): Generator<Value> {
  for (const input of node.inputs) if (input) yield input
  for (const subgraph of node.subgraphs) {
    const own = new Set(subgraph.values())
    for (const output of subgraph.outputs) if (!own.has(output)) yield output
    for (const inner of subgraph.nodes) for (const input of readBy(inner)) if (!own.has(input)) yield input
  }
}

/** Whether a group hides nothing that others read, and does not depend on itself. */
export function isSound(group: Group, facts: Facts): boolean {
  const nodes = new Set(group.nodes)
  if (nodes.size !== group.nodes.length || group.nodes.some((node) => facts.isClaimed(node))) return false
  const outputs = new Set(group.outputs)
  const isHidden = group.nodes.every((node) =>
    node.outputs.every(
      (output) =>
        !output || outputs.has(output) || output.uses.every((use) => use.kind === 'node' && nodes.has(use.node)),
    ),
  )
  return isHidden && (group.outputs.length === 1 || !returns(group, nodes))
}

/** Whether something outside reads an output and computes an input. */
function returns(group: Group, nodes: ReadonlySet<Node>): boolean {
  const seen = new Set<Node>()
  const queue = readers(group.outputs).filter((node) => !nodes.has(node))
  for (let node = queue.pop(); node; node = queue.pop()) {
    if (nodes.has(node)) return true
    if (seen.has(node)) continue
    seen.add(node)
    queue.push(...readers(node.outputs))
  }
  return false
}

function readers(values: readonly (Value | undefined)[]): Node[] {
  return values.flatMap((value) => value?.uses.flatMap((use) => (use.kind === 'node' ? use.node : [])) ?? [])
}
