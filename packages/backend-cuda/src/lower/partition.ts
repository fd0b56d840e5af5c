import { dtypes, sizeOf } from '@lowlat/core'
import { type Node, topologicalOrder, type Value, walkNodes } from '@lowlat/onnx'
import type { Facts } from './facts.ts'
import { fusions } from './fusions.ts'
import { producersOf, readersOf } from './order.ts'
import { ruleFor } from './rules.ts'
import { deviceUnit, groupUnit, hostUnit, isSound, type Unit } from './unit.ts'

/** Nodes that move or compute no more than this may go along with their neighbours on the host. */
const maxLightBytes = 1 << 16

/**
 * The graph's nodes as units of device and host, in the order of their last nodes; nodes whose results are known are left
 * out. Yields wherever it may pause.
 */
export function* partition(graph: Facts['graph'], facts: Facts): Generator<void, Unit[]> {
  const order = topologicalOrder(graph)
  for (const node of order) {
    if (isFolded(node, facts)) facts.fold(node)
    for (const subgraph of node.subgraphs) for (const inner of walkNodes(subgraph)) facts.claim(inner)
  }
  yield
  const rest = order.filter((node) => !facts.isClaimed(node))
  const open = new Map<Node, string>()
  for (const node of rest) {
    const reason = whyOpen(node, facts)
    if (reason === undefined) continue
    open.set(node, reason)
    facts.claim(node)
  }
  const units = [...open].map(([node, reason]) => hostUnit(node, reason))
  for (const fusion of fusions) {
    for (const node of rest) {
      const group = facts.isClaimed(node) ? undefined : fusion.match(node, facts)
      if (!group || !isSound(group, facts)) continue
      for (const member of group.nodes) facts.claim(member)
      units.push(groupUnit(group))
    }
    yield
  }
  for (const node of rest) if (!facts.isClaimed(node)) units.push(unitFor(node, facts))
  return inOrder(units, order)
}

function inOrder(units: readonly Unit[], order: readonly Node[]): Unit[] {
  const position = new Map(order.map((node, index) => [node, index]))
  return units.toSorted((a, b) => position.get(a.nodes.at(-1)!)! - position.get(b.nodes.at(-1)!)!)
}

/** Whether nothing is left to compute. Integers of a DequantizeLinear stay in sight of the layers that want them. */
function isFolded(node: Node, facts: Facts): boolean {
  const read = node.outputs.filter((output) => output && output.uses.length > 0)
  return read.every((output) => facts.known(output)) && !readsDequantized(node)
}

function readsDequantized(node: Node): boolean {
  if (node.opType === 'DequantizeLinear') return true
  if (node.opType === 'Shape' || node.opType === 'Size') return false
  return node.inputs.some((input) => input?.producer && readsDequantized(input.producer))
}

/** Why no kernel can have the node, whatever its operator. */
function whyOpen(node: Node, facts: Facts): string | undefined {
  if (node.subgraphs.length > 0) return 'is control flow'
  for (const value of [...node.inputs, ...node.outputs]) {
    if (!value) continue
    const type = facts.typeIfKnown(value)
    if (!type) return `'${value.name}' has a type or shape that is known only while it runs`
    const { kind, bits } = dtypes[type.dtype]
    if (!facts.isConstant(value) && (kind === 'complex' || bits < 8 || (kind === 'float' && bits < 16))) {
      return `has no kernel for ${type.dtype}`
    }
  }
  return undefined
}

function unitFor(node: Node, facts: Facts): Unit {
  const rule = ruleFor(node)
  if (!rule) return hostUnit(node, 'has no kernel')
  const isEmpty = (value: Value | undefined) => value !== undefined && sizeOf(facts.shape(value)) === 0
  const reads = node.inputs.some((input) => isEmpty(input) && !facts.isConstant(input!))
  if (reads && !rule.takesEmpty && !node.outputs.every((output) => !output || isEmpty(output))) {
    return hostUnit(node, 'reads a tensor without elements')
  }
  const reason = rule.supports(node, facts)
  return reason === undefined ? deviceUnit(node, rule) : hostUnit(node, reason)
}

/**
 * Light nodes between nodes of the host go along to it: to fetch and bring back a few bytes takes longer than they do.
 * Mostly arithmetic on sizes that depend on data.
 */
export function sendAlong(units: readonly Unit[], facts: Facts): Unit[] {
  let current = [...units]
  for (let changed = true; changed; ) {
    const producers = producersOf(current)
    const readers = readersOf(current)
    const next = current.map((unit) => (goesAlong(unit, producers, readers, facts) ? toHost(unit) : unit))
    changed = next.some((unit, index) => unit !== current[index])
    current = next
  }
  return current
}

function goesAlong(
  unit: Unit,
  producers: ReadonlyMap<Value, Unit>,
  readers: ReadonlyMap<Value, readonly Unit[]>,
  facts: Facts,
): boolean {
  if (unit.kind === 'host' || !unit.rule || unit.nodes.some((node) => node.name === '')) return false
  const values = unit.inputs.filter((input) => !facts.isConstant(input))
  if ([...values, ...unit.outputs].some((value) => bytesOf(value, facts) > maxLightBytes)) return false
  const onHost = (one: Unit | undefined) => one?.kind === 'host'
  const reading = unit.outputs.flatMap((output) => readers.get(output) ?? [])
  const fromHost = values.length > 0 && values.every((value) => onHost(producers.get(value)))
  if (fromHost) return reading.some(onHost)
  const fromOutside = values.every((value) => !producers.has(value) || onHost(producers.get(value)))
  return (
    fromOutside && reading.length > 0 && reading.every(onHost) && !unit.outputs.some((value) => facts.isOutput(value))
  )
}

function toHost(unit: Unit): Unit {
  return hostUnit(unit.nodes[0]!, 'stands between nodes of the host')
}

function bytesOf(value: Value, facts: Facts): number {
  const { dtype, shape } = facts.type(value)
  return (sizeOf(shape) * dtypes[dtype].bits) / 8
}
