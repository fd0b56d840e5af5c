import { expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { graphFromModel } from '../graph/from-onnx.ts'
import { modelFromGraph } from '../graph/to-onnx.ts'
import { fixWeights } from './fix-weights.ts'

it('makes weights that are inputs mere constants, under their names', () => {
  const graph = graphFromModel({
    irVersion: 3n,
    opsetImport: [{ version: 8n }],
    graph: {
      input: [{ name: 'x' }, { name: 'w' }],
      initializer: [{ name: 'w', dims: [1n], dataType: 1, floatData: [2] }],
      node: [{ opType: 'Add', input: ['x', 'w'], output: ['y'] }],
      output: [{ name: 'y' }],
    },
  })
  expect(fixWeights.run(graph)).toBe(1)
  expect(fixWeights.run(graph)).toBe(0)
  const { irVersion, graph: written } = modelFromGraph(graph)
  expect(irVersion).toBe(4n)
  expect(written?.input?.map(({ name }) => name)).toEqual(['x'])
  expect(written?.initializer?.map(({ name }) => name)).toEqual(['w'])
})

it('only inputs with an initializer can be fixed', () => {
  const g = new GraphBuilder('g')
  const x = g.input('x', 'float32', [1])
  expect(() => g.graph.fixInput(x)).toThrow(/input with an initializer, got 'x'/)
  expect(() => g.graph.fixInput(g.scalar('s', 'float32', 1))).toThrow(/got 's'/)
})
