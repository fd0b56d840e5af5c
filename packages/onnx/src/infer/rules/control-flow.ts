import { invalidNode } from '../../evaluate/invalid-node.ts'
import type { Graph } from '../../graph/graph.ts'
import type { ValueType } from '../../graph/value-type.ts'
import { agreeing, commonShape, type PartialDim } from '../dims.ts'
import { type Fact, unknownFact } from '../fact.ts'
import type { Rule, Rules, Site } from '../site.ts'

/** What holds whichever of two values it is. */
function common(a: ValueType, b: ValueType): ValueType {
  return {
    elementType: a.elementType === b.elementType ? a.elementType : undefined,
    shape: commonShape(a.shape, b.shape),
  }
}

/**
 * Where the condition is constant, the branch that it takes; the other one is left alone, as its shapes may contradict
 * each other. Else what holds in both.
 */
const branch: Rule = (site) => {
  const { node } = site
  const outputsOf = (name: string) => site.inferGraph(node.graph(name), [])
  const taken = site.values(0)?.[0]
  if (taken !== undefined) return outputsOf(taken === 0 ? 'else_branch' : 'then_branch')
  const [yes, no] = [outputsOf('then_branch'), outputsOf('else_branch')]
  return node.outputs.map((_, index) => common(yes[index] ?? unknownFact, no[index] ?? unknownFact))
}

/** After so many turns the states are taken as unknown: every turn of a loop infers all loops within it. */
const maxTurns = 3

/**
 * Infers a body whose states go round: what a turn makes of them may differ from what it got, and then only what both
 * have in common is known. Gives the states that hold in every turn, and the body's outputs for them, of which those
 * from `firstState` on are the states.
 */
function settle(
  site: Site,
  body: Graph,
  initial: readonly ValueType[],
  inputsFor: (states: readonly ValueType[]) => Fact[],
  firstState: number,
): { states: readonly ValueType[]; outputs: readonly Fact[] } {
  let states = initial.map(({ elementType, shape }): ValueType => ({ elementType, shape }))
  for (let turn = 1; ; turn++) {
    const outputs = site.inferGraph(body, inputsFor(states))
    const next = states.map((state, index) => common(state, outputs[firstState + index] ?? unknownFact))
    if (next.every((state, index) => sameType(state, states[index]!))) return { states, outputs }
    states = turn < maxTurns ? next : states.map(() => unknownFact)
  }
}

function sameType(a: ValueType, b: ValueType): boolean {
  const same = a.shape?.length === b.shape?.length && (a.shape ?? []).every((dim, axis) => dim === b.shape![axis])
  return a.elementType === b.elementType && same
}

/** M, cond, states -> states, collected. Body: turn, cond, states -> cond, states, collected. */
const loop: Rule = (site) => {
  const { node } = site
  const body = node.graph('body')
  const initial = node.inputs.slice(2).map((_, index) => site.inputs[index + 2] ?? unknownFact)
  const counter: Fact = { elementType: 'int64', shape: [] }
  const condition: Fact = { elementType: 'bool', shape: [] }
  const { states, outputs } = settle(site, body, initial, (now) => [counter, condition, ...now], 1)
  const turns = site.has(1) ? undefined : site.values(0)?.[0] // without a condition, all turns are made
  const collected = outputs.slice(1 + initial.length)
  return [...states, ...collected.map(({ elementType, shape }) => ({ elementType, shape: shape && [turns, ...shape] }))]
}

/** States, scanned -> states, collected; the body sees one element of every scanned input at a time. */
const scan: Rule = (site) => {
  const { node } = site
  const body = node.graph('body')
  const scanned = node.int('num_scan_inputs')
  const count = node.inputs.length - scanned
  if (!(scanned >= 1 && count >= 0)) throw invalidNode(node, `1 to ${node.inputs.length} scan inputs`, String(scanned))
  const axes = node.ints('scan_input_axes', new Array(scanned).fill(0))
  let length: PartialDim
  const elements = axes.map((axis, index): ValueType => {
    const { elementType, shape } = site.inputs[count + index] ?? unknownFact
    const at = shape && site.axis(axis, shape.length)
    if (at !== undefined) length = agreeing(node, 'the lengths of scanned inputs', length, shape![at])
    return { elementType, shape: at === undefined ? undefined : shape!.toSpliced(at, 1) }
  })
  const initial = Array.from({ length: count }, (_, index) => site.inputs[index] ?? unknownFact)
  const { states, outputs } = settle(site, body, initial, (now) => [...now, ...elements], 0)
  const collected = outputs.slice(count)
  const outputAxes = node.ints('scan_output_axes', new Array(collected.length).fill(0))
  const stacked = collected.map(({ elementType, shape }, index) => {
    const at = shape && site.axis(outputAxes[index] ?? 0, shape.length + 1)
    return { elementType, shape: at === undefined ? undefined : shape!.toSpliced(at, 0, length) }
  })
  return [...states, ...stacked]
}

/** Before opset 9 everything had a batch axis in front, which the body did not see. */
const batchedScan: Rule = (site) => {
  const { node } = site
  const scanned = node.int('num_scan_inputs')
  const inputs = site.inputs.slice(1)
  const batch = agreeing(node, 'the batch of all inputs', ...inputs.map((fact) => fact?.shape?.[0]))
  const perItem = inputs.map((fact) => fact && { elementType: fact.elementType, shape: fact.shape?.slice(1) })
  const count = perItem.length - scanned
  if (!(scanned >= 1 && count >= 0)) throw invalidNode(node, `1 to ${perItem.length} scan inputs`, String(scanned))
  const lengths = perItem.slice(count).map((fact) => fact?.shape?.[0])
  const length = agreeing(node, 'the lengths of scanned inputs', ...lengths)
  const elements = perItem.slice(count).map((fact) => ({ ...unknownFact, ...fact, shape: fact?.shape?.slice(1) }))
  const initial = perItem.slice(0, count).map((fact) => fact ?? unknownFact)
  const { states, outputs } = settle(site, node.graph('body'), initial, (now) => [...now, ...elements], 0)
  const withBatch = ({ elementType, shape }: ValueType, ...more: PartialDim[]) => ({
    elementType,
    shape: shape && [batch, ...more, ...shape],
  })
  return [...states.map((state) => withBatch(state)), ...outputs.slice(count).map((fact) => withBatch(fact, length))]
}

export const controlFlow: Rules = {
  If: branch,
  Loop: loop,
  Scan: (site) => (site.opset < 9 ? batchedScan(site) : scan(site)),
}
