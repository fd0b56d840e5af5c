import { sameShape } from '@lowlat/core'
import type { Node, Value } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
import { orderUnits } from '../order.ts'
import { groupUnit, type Unit } from '../unit.ts'
import { type ElementNode, fitsOneKernel, lowerChain } from './lower-chain.ts'

/** Element-wise nodes that become one kernel, with one result. */
interface Chain {
  /** Producers first. */
  readonly nodes: readonly ElementNode[]
  readonly output: Value
  /** The unit that it started from. */
  readonly last: Unit
}

/**
 * Joins element-wise units whose results only one another read, where one kernel can hold them. A chain has one result, so
 * that nothing outside can depend on it and be read by it.
 */
export function chainElementwise(units: readonly Unit[], facts: Facts): Unit[] {
  const chains = new Map<Value, Chain>()
  const rest: Unit[] = []
  for (const unit of orderUnits(units)) {
    const elementwise = unit.rule?.elementwise
    if (!elementwise) {
      rest.push(unit)
      continue
    }
    const [node] = unit.nodes
    const chain = grown({ nodes: [{ node: node!, elementwise }], output: unit.outputs[0]!, last: unit }, chains, facts)
    for (const member of chain.nodes) chains.delete(member.node.outputs[0]!)
    chains.set(chain.output, chain)
  }
  return orderUnits([...rest, ...[...chains.values()].map(unitOf)])
}

/** The chain with all before it that fit and that nobody else reads. */
function grown(start: Chain, chains: ReadonlyMap<Value, Chain>, facts: Facts): Chain {
  let chain = start
  const refused = new Set<Chain>()
  for (;;) {
    const members = new Set(chain.nodes.map(({ node }) => node))
    const inputs = new Set([...members].flatMap((node) => node.inputs.filter((input) => input !== undefined)))
    const before = [...inputs]
      .map((input) => chains.get(input))
      .find(
        (one) => one && !members.has(one.output.producer!) && !refused.has(one) && isInner(one, members, chain, facts),
      )
    if (!before) return chain
    const joined = { ...chain, nodes: [...before.nodes, ...chain.nodes] }
    if (fitsOneKernel(joined.nodes, facts)) chain = joined
    else refused.add(before)
  }
}

function isInner({ output }: Chain, members: ReadonlySet<Node>, chain: Chain, facts: Facts): boolean {
  if (!sameShape(facts.shape(output), facts.shape(chain.output))) return false
  return output.uses.every((use) => use.kind === 'node' && members.has(use.node))
}

function unitOf({ nodes, output, last }: Chain): Unit {
  if (nodes.length === 1) return last
  return groupUnit({
    operator: [...new Set(nodes.map(({ node }) => node.opType))].join('+'),
    nodes: nodes.map(({ node }) => node),
    outputs: [output],
    lower: (context) => lowerChain(nodes, context),
  })
}
