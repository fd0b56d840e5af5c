import { expect, it } from 'vitest'
import type { GraphBuilder } from '../build/graph-builder.ts'
import { float } from '../graph/attribute-input.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { addBias } from './add-bias.ts'

const withConv = (shape: readonly number[], bias: boolean) => (g: GraphBuilder) => {
  const x = g.input('x', 'float32', ['batch', 4, 5, 5])
  const y = g.op('Conv', [x, g.weights('w', [3, 4, 3, 3], 0.3), ...(bias ? [g.weights('b', [3], 1)] : [])])
  const sum = shape.length === 4 ? [g.weights('c', shape, 1), y] : [y, g.weights('c', shape, 1)]
  g.output('y', g.op('Add', sum), 'float32', ['batch', 'channels', 'height', 'width'])
}

it.each([
  [[3, 1, 1], false],
  [[1, 3, 1, 1], true],
  [[1], true],
  [[], false],
])('folds a constant of shape %j into a convolution, with bias: %s', async (shape, bias) => {
  expect((await applyPass(addBias, withConv(shape, bias))).operators).toBe('Conv')
})

it.each([[[3]], [[3, 3, 3]], [[2, 3, 1, 1]], [[1, 1, 3, 1, 1]]])(
  'leaves a constant of shape %j, which is not one per channel',
  async (shape) => {
    const { changes, operators } = await applyPass(addBias, (g) => {
      const x = g.input('x', 'float32', [2, 4, 5, 5])
      const y = g.op('Conv', [x, g.weights('w', [3, 4, 3, 3], 0.3)])
      const out = g.op('Add', [y, g.weights('c', shape, 1)])
      g.output('y', out, 'float32', shape.length === 5 ? [1, 2, 3, 3, 3] : [2, 3, 3, 3])
    })
    expect([changes, operators]).toEqual([0, 'Conv Add'])
  },
)

it.each([[[3]], [[1, 3]], [[1, 1]]])('folds a constant of shape %j into a Gemm with factors', async (shape) => {
  const { operators } = await applyPass(addBias, (g) => {
    const x = g.input('x', 'float32', ['batch', 4])
    const inputs = [x, g.weights('w', [4, 3], 0.5), g.weights('b', [3], 1)]
    const y = g.op('Gemm', inputs, { alpha: float(2), beta: float(0.5) })
    g.output('y', g.op('Add', [y, g.weights('c', shape, 1)]), 'float32', ['batch', 3])
  })
  expect(operators).toBe('Gemm')
})

it('leaves the bias of a MatMul, which has none of its own', async () => {
  const { changes } = await applyPass(addBias, (g) => {
    const y = g.op('MatMul', [g.input('x', 'float32', ['batch', 4]), g.weights('w', [4, 3], 0.5)])
    g.output('y', g.op('Add', [y, g.weights('c', [3], 1)]), 'float32', ['batch', 3])
  })
  expect(changes).toBe(0)
})

it('leaves a layer that is read elsewhere, and a sum with itself', async () => {
  const { changes } = await applyPass(addBias, (g) => {
    const y = g.op('Conv', [g.input('x', 'float32', [1, 1, 3]), g.weights('w', [1, 1, 2], 1)])
    const sum = g.op('Add', [y, y])
    g.output('y', g.op('Mul', [g.op('Add', [y, g.weights('c', [1], 1)]), sum]), 'float32', [1, 1, 2])
  })
  expect(changes).toBe(0)
})
