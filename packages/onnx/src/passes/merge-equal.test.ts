import { Tensor } from '@lowlat/core'
import { expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { float } from '../graph/attribute-input.ts'
import { Initializer } from '../graph/initializer.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { mergeEqual } from './merge-equal.ts'

const vector = (...values: number[]) => new Tensor('float32', [values.length], Float32Array.from(values))

it('merges equal weights, but not those of another type, shape or content', () => {
  const g = new GraphBuilder('test')
  const sums = [vector(1, 2), vector(1, 2), vector(1, 3), vector(0, 1), vector(-0, 1)]
  const all = [...sums, new Tensor('float32', [1, 2], Float32Array.of(1, 2)), Tensor.zeros('uint8', [8])]
  for (const [index, tensor] of all.entries()) g.op('Use', [g.constant(`c${index}`, tensor)])
  for (const text of ['a', 'a', 'b']) {
    g.op('Use', [g.graph.addInitializer(g.graph.uniqueName('s'), Initializer.fromStrings([1], [text]))])
  }
  for (const node of g.graph.nodes) node.domain = 'custom'
  expect(mergeEqual.run(g.graph)).toBe(2)
  expect(g.graph.initializers).toHaveLength(8)
})

it('merges nodes that compute the same, and then those that read them', async () => {
  const { operators, changes } = await applyPass(mergeEqual, (g) => {
    const x = g.input('x', 'float32', [3])
    const [a, b] = [1, 2].map(() =>
      g.op('Elu', [g.op('Add', [x, g.constant('c', vector(1, 2, 3))])], { alpha: float(2) }),
    )
    const other = g.op('Elu', [x], { alpha: float(3) })
    g.output('y', g.op('Sum', [a, b, other]), 'float32', [3])
  })
  expect([operators, changes]).toEqual(['Add Elu Elu Sum', 3])
})

it('keeps both where both are outputs, and the name of the one that is', async () => {
  const { operators } = await applyPass(mergeEqual, (g) => {
    const x = g.input('x', 'float32', [3])
    g.output('y', g.op('Relu', [x]), 'float32', [3]).output('z', g.op('Relu', [x]), 'float32', [3])
    g.output('w', g.op('Neg', [g.op('Relu', [x])]), 'float32', [3])
  })
  expect(operators).toBe('Relu Relu Neg')
  const single = await applyPass(mergeEqual, (g) => {
    const x = g.input('x', 'float32', [3])
    const first = g.op('Relu', [x])
    g.output('z', g.op('Relu', [x]), 'float32', [3]).output('w', g.op('Neg', [first]), 'float32', [3])
  })
  expect(single.operators).toBe('Relu Neg')
})

it('leaves nodes alone whose outputs differ each time, or that it does not know', () => {
  const g = new GraphBuilder('test')
  const x = g.input('x', 'float32', [3])
  for (const opType of ['RandomNormalLike', 'Bernoulli', 'Dropout']) for (let i = 0; i < 2; i++) g.op(opType, [x])
  for (let i = 0; i < 2; i++) g.op('Custom', [x]).producer!.domain = 'custom'
  const attributes = { type: 'other', value: {} } as const
  for (let i = 0; i < 2; i++) g.op('Constant', [], { sparse_value: attributes })
  expect(mergeEqual.run(g.graph)).toBe(0)
})
