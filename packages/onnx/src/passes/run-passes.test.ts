import { isLowlatError, type LowlatError } from '@lowlat/core'
import { afterEach, expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import type { Graph } from '../graph/graph.ts'
import { generateGraph } from '../models/generate.ts'
import type { Pass } from './pass.ts'
import { portablePasses } from './portable-passes.ts'
import { type PassRun, runPasses } from './run-passes.ts'

afterEach(() => {
  delete process.env.LOWLAT_STOP_AFTER_PASS
})

const small = () => generateGraph('tiny', { batchNorm: 'separate' })

const errorOf = (run: () => unknown): LowlatError => {
  try {
    run()
  } catch (error) {
    if (isLowlatError(error)) return error
    throw error
  }
  throw new Error('expected an error')
}

it('runs rounds until one changes nothing, and reports what each pass did', () => {
  const graph = mobilenet()
  const report = runPasses(graph)
  expect(report).toMatchObject({ nodesBefore: 152, nodesAfter: graph.nodes.length, converged: true })
  expect(report.count).toBe(2 * portablePasses.length)
  expect(report.runs).toContainEqual(
    expect.objectContaining({
      pass: 'fold-batch-normalization',
      round: 1,
      changes: 52,
      nodesBefore: 152,
      nodesAfter: 100,
    }),
  )
  expect(runPasses(graph)).toMatchObject({ runs: [], count: portablePasses.length, converged: true })
})

const mobilenet = () => generateGraph('mobilenet_v2', { batchNorm: 'separate' })

it('ends after 16 rounds, however much there is to do', () => {
  const restless: Pass = { name: 'restless', run: () => 1 }
  expect(runPasses(small(), [restless])).toMatchObject({ count: 16, converged: false })
})

it('stops after a pass that an option or the knob names by its number, and shows the graph after each', () => {
  const runs: PassRun[] = []
  runPasses(small(), portablePasses, { stopAfter: 3, onPass: (run) => runs.push(run) })
  expect(runs.map(({ pass, number }) => [pass, number])).toEqual(
    portablePasses.slice(0, 3).map(({ name }, index) => [name, index + 1]),
  )
  process.env.LOWLAT_STOP_AFTER_PASS = '0'
  expect(runPasses(mobilenet())).toMatchObject({ runs: [], count: 0, converged: false, nodesAfter: 152 })
  process.env.LOWLAT_STOP_AFTER_PASS = 'two'
  expect(errorOf(() => runPasses(small())).code).toBe('KNOB_INVALID')
})

const stray = (graph: Graph) => {
  graph.nodes[0]!.setInput(0, new GraphBuilder('other').input('stray', 'float32', []))
  return 1
}

it('names a pass that breaks the graph, or that an invalid model breaks', () => {
  const error = errorOf(() => runPasses(small(), [portablePasses[0]!, { name: 'breaking', run: stray }]))
  expect(error.code).toBe('INVALID_ARGUMENT')
  expect(error.message).toMatch(/'breaking' \(run 2\).*'stray'.*LOWLAT_STOP_AFTER_PASS=1/)
  expect(error.details).toMatchObject({ pass: 'breaking', number: 2 })
  const g = new GraphBuilder('test')
  const weight = g.weights('w', [2], 1)
  g.output('y', g.op('Transpose', [weight], { perm: 'wrong' }), 'float32', [2])
  expect(errorOf(() => runPasses(g.graph))).toMatchObject({
    code: 'MODEL_INVALID',
    details: { pass: 'remove-identities' },
  })
})

it('checks the graph before the first pass, and not at all where that is asked for', () => {
  const broken = small()
  stray(broken)
  expect(errorOf(() => runPasses(broken)).message).toMatch(/'stray', which is not in it/)
  expect(
    runPasses(small(), [{ name: 'breaking', run: (graph) => (graph.nodes[0]!.name ? stray(graph) : 0) }], {
      check: false,
    }).count,
  ).toBe(16)
})
