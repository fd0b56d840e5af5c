import { integerKnob, isLowlatError, ModelError } from '@lowlat/core'
import { checkGraph } from '../graph/check.ts'
import type { Graph } from '../graph/graph.ts'
import { walkNodes } from '../graph/order.ts'
import type { Pass } from './pass.ts'
import { portablePasses } from './portable-passes.ts'

const stopAfterPassKnob = integerKnob({
  name: 'LOWLAT_STOP_AFTER_PASS',
  description:
    'Graph passes: stop after this many runs of passes, counted over all rounds; 0 runs none. To bisect a wrong result.',
  default: Number.MAX_SAFE_INTEGER,
  defaultText: 'no limit',
  min: 0,
})

export interface RunPassesOptions {
  /** Stop after so many runs of passes, counted over all rounds. Default: the knob LOWLAT_STOP_AFTER_PASS, or all. */
  readonly stopAfter?: number
  /** Called after each run of a pass, for example to write the graph or to compare what it computes. */
  readonly onPass?: (run: PassRun, graph: Graph) => void
  /** Check the graph before the first pass and after each that changed it. Default true. */
  readonly check?: boolean
}

export interface PassRun {
  readonly pass: string
  /** 1 for the first; `stopAfter: number` stops behind this one. */
  readonly number: number
  readonly round: number
  readonly changes: number
  /** Nodes of the graph and its subgraphs. */
  readonly nodesBefore: number
  readonly nodesAfter: number
}

export interface PassReport {
  /** The runs that changed something, in their order. */
  readonly runs: readonly PassRun[]
  /** Runs of passes in total, those that changed nothing included. */
  readonly count: number
  /** Whether a whole round changed nothing any more. */
  readonly converged: boolean
  readonly nodesBefore: number
  readonly nodesAfter: number
}

/** Each round shortens chains and removes nodes; real models need three or four. */
const MAX_ROUNDS = 16

/**
 * Runs passes in order, round after round, until a round changes nothing (at most 16 rounds). Edits the graph in place.
 * @throws LowlatError with the pass in its message and in `details.pass`: where the model is invalid, and where a pass
 * left the graph inconsistent. The graph is of no use then.
 */
export function runPasses(
  graph: Graph,
  passes: readonly Pass[] = portablePasses,
  options: RunPassesOptions = {},
): PassReport {
  const { stopAfter = stopAfterPassKnob.read(), onPass, check = true } = options
  if (check) checkGraph(graph)
  const runs: PassRun[] = []
  const nodesBefore = countNodes(graph)
  let nodes = nodesBefore
  let count = 0
  let changesOfRound = passes.length
  for (let round = 1; round <= MAX_ROUNDS && changesOfRound > 0; round++) {
    changesOfRound = 0
    for (const pass of passes) {
      if (count === stopAfter) return { runs, count, converged: false, nodesBefore, nodesAfter: nodes }
      count++
      const changes = runPass(pass, graph, count, check)
      const nodesAfter = changes > 0 ? countNodes(graph) : nodes
      const run = { pass: pass.name, number: count, round, changes, nodesBefore: nodes, nodesAfter }
      if (changes > 0) runs.push(run)
      onPass?.(run, graph)
      changesOfRound += changes
      nodes = nodesAfter
    }
  }
  return { runs, count, converged: changesOfRound === 0, nodesBefore, nodesAfter: nodes }
}

function runPass(pass: Pass, graph: Graph, number: number, check: boolean): number {
  try {
    const changes = pass.run(graph)
    if (check && changes > 0) checkGraph(graph)
    return changes
  } catch (cause) {
    if (!isLowlatError(cause)) throw cause
    throw new ModelError(cause.code, {
      message: `The pass '${pass.name}' (run ${number}) failed: ${cause.message}`,
      remedy: `LOWLAT_STOP_AFTER_PASS=${number - 1} stops before it.`,
      details: { ...cause.details, pass: pass.name, number },
      cause,
    })
  }
}

function countNodes(graph: Graph): number {
  let count = 0
  for (const _ of walkNodes(graph)) count++
  return count
}
