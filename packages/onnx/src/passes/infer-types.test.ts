import { expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { inferTypesPass } from './infer-types.ts'

it('gives values their types, once, and leaves declared outputs as they are', async () => {
  const { graph, changes } = await applyPass(inferTypesPass, (g) => {
    const y = g.op('Relu', [g.op('Flatten', [g.input('x', 'float32', ['batch', 3, 4])])])
    g.output('y', y, 'float32', ['n', 'features'])
  })
  expect(changes).toBe(1)
  expect(graph.nodes[0]!.outputs[0]).toMatchObject({ elementType: 'float32', shape: ['batch', 12] })
  expect(graph.outputs[0]!.shape).toEqual(['n', 'features'])
})

it('has nothing to say of a model without standard operators', () => {
  const g = new GraphBuilder('test')
  g.graph.model.opsetImports.clear()
  g.output('y', g.op('Custom', [g.input('x', 'float32', [1])]), 'float32', [1])
  expect(inferTypesPass.run(g.graph)).toBe(0)
})
