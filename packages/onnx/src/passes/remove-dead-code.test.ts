import { expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { graphFromModel } from '../graph/from-onnx.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { removeDeadCode } from './remove-dead-code.ts'

it('removes chains that end nowhere and the weights that only they read, and keeps inputs', async () => {
  const { operators, graph, changes } = await applyPass(removeDeadCode, (g) => {
    const x = g.input('x', 'float32', [3])
    g.input('unused', 'float32', [3])
    g.op('Neg', [g.op('Add', [g.op('Abs', [x]), g.weights('dead', [3], 1)])])
    g.output('y', g.op('Add', [x, g.weights('alive', [3], 1)]), 'float32', [3])
  })
  expect([operators, changes]).toEqual(['Add', 4])
  expect(graph.initializers.map(({ name }) => name)).toEqual(['alive'])
})

it('keeps a node of which one output is read, and nodes of which a subgraph reads', () => {
  const branch = { name: 'b', node: [{ opType: 'Neg', input: ['h'], output: ['n'] }], output: [{ name: 'n' }] }
  const graph = graphFromModel({
    opsetImport: [{ version: 17n }],
    graph: {
      input: [{ name: 'c' }, { name: 'x' }],
      node: [
        { opType: 'Relu', input: ['x'], output: ['h'] },
        { opType: 'Abs', input: ['x'], output: ['dead'] },
        { opType: 'TopK', input: ['h', 'k'], output: ['values', 'indices'] },
        { opType: 'If', input: ['c'], output: ['y'], attribute: [{ name: 'then_branch', type: 5, g: branch }] },
      ],
      initializer: [{ name: 'k', dims: [1n], dataType: 7, int64Data: [1n] }],
      output: [{ name: 'y' }, { name: 'indices' }],
    },
  })
  expect(removeDeadCode.run(graph)).toBe(1)
  expect(graph.nodes.map((node) => node.opType)).toEqual(['Relu', 'TopK', 'If'])
})

it('takes what only a dead subgraph read, and what is dead inside', () => {
  const branch = { name: 'b', node: [{ opType: 'Neg', input: ['h'], output: ['n'] }], output: [{ name: 'n' }] }
  const alive = { ...branch, output: [{ name: 'x' }] }
  const node = (name: string, g: typeof branch, output: string) => ({
    opType: 'If',
    input: ['x'],
    output: [output],
    attribute: [{ name, type: 5, g }],
  })
  const graph = graphFromModel({
    opsetImport: [{ version: 17n }],
    graph: {
      input: [{ name: 'x' }],
      node: [
        { opType: 'Relu', input: ['x'], output: ['h'] },
        node('then_branch', branch, 'dead'),
        node('else_branch', alive, 'y'),
      ],
      output: [{ name: 'y' }],
    },
  })
  expect(removeDeadCode.run(graph)).toBe(3)
  expect(graph.nodes.map((each) => [each.opType, each.subgraphs[0]!.nodes.length])).toEqual([['If', 0]])
})

it('removes a long chain at once', () => {
  const g = new GraphBuilder('long')
  let x = g.input('x', 'float32', [1])
  for (let i = 0; i < 2000; i++) x = g.op('Neg', [x])
  expect(removeDeadCode.run(g.graph)).toBe(2000)
})
