import { expect, it } from 'vitest'
import { graphFromModel } from '../graph/from-onnx.ts'
import { walkNodes } from '../graph/order.ts'
import { nameNodes } from './name-nodes.ts'

it('names every node, also of subgraphs, and keeps names that are unique', () => {
  const branch = {
    node: [
      { opType: 'Neg', input: ['x'], output: ['n'], name: 'a' },
      { opType: 'Neg', input: ['x'], output: ['m'] },
    ],
    output: [{ name: 'n' }],
  }
  const graph = graphFromModel({
    graph: {
      input: [{ name: 'x' }],
      node: [
        { opType: 'Neg', input: ['x'], output: ['p'], name: 'a' },
        { opType: 'If', input: ['x'], output: ['y'], attribute: [{ name: 'g', type: 5, g: branch }] },
        { opType: 'Neg', input: ['x'], output: ['q'], name: 'Neg_1' },
        { opType: 'Neg', input: ['x'], output: ['r'], name: 'a_1' },
      ],
    },
  })
  expect(nameNodes(graph)).toBe(3)
  expect([...walkNodes(graph)].map((node) => node.name)).toEqual(['a', 'If_1', 'a_2', 'Neg_2', 'Neg_1', 'a_1'])
  expect(nameNodes(graph)).toBe(0)
})
