import { GraphBuilder, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { factsOf } from '../../testing/facts.ts'
import { layerNormOf } from './layer-norm-match.ts'

const number = (g: GraphBuilder, value: number) => g.scalar('n', 'float32', value)
const mean = (g: GraphBuilder, x: Value) => g.op('ReduceMean', [x], { axes: [-1] })

interface Variant {
  readonly square?: (g: GraphBuilder, x: Value) => Value
  readonly quotient?: (g: GraphBuilder, x: Value, root: Value) => Value
}

const power = (g: GraphBuilder, x: Value) => g.op('Pow', [x, number(g, 2)])
const division = (g: GraphBuilder, x: Value, root: Value) => g.op('Div', [x, root])

function found({ square = power, quotient = division }: Variant = {}, readsInside = false) {
  const g = new GraphBuilder('norm')
  const x = g.input('x', 'float32', [2, 3, 4])
  const difference = g.op('Sub', [x, mean(g, x)])
  const root = g.op('Sqrt', [g.op('Add', [mean(g, square(g, difference)), number(g, 0.5)])])
  const scaled = g.op('Mul', [g.weights('scale', [4], 1), quotient(g, difference, root)])
  g.output('y', g.op('Add', [scaled, g.weights('bias', [4], 1)]), 'float32', [2, 3, 4])
  if (readsInside) g.output('difference', difference, 'float32', [2, 3, 4])
  const facts = factsOf(g.graph)
  return { match: g.graph.nodes.flatMap((node) => layerNormOf(node, facts) ?? [])[0], nodes: g.graph.nodes }
}

describe('layerNormOf', () => {
  it.each<[string, Variant]>([
    ['a power and a division', {}],
    ['a product', { square: (g, x) => g.op('Mul', [x, x]) }],
    ['a reciprocal', { quotient: (g, x, root) => g.op('Mul', [g.op('Reciprocal', [root]), x]) }],
  ])('finds it written with %s', (_, variant) => {
    const { match, nodes } = found(variant)
    expect(match!.nodes).toEqual(nodes)
    expect([match!.input, match!.scale, match!.bias, match!.output].map((value) => value!.name)).toEqual([
      ...['x', 'scale', 'bias', 'y'],
    ])
    expect(match!.axes).toEqual([2])
    expect(match!.epsilon).toBe(0.5)
  })

  it('leaves other formulas, and what something else reads', () => {
    expect(found({ square: (g, x) => g.op('Pow', [x, number(g, 3)]) }).match).toBeUndefined()
    expect(found({ square: (g, x) => g.op('Abs', [x]) }).match).toBeUndefined()
    expect(found({ quotient: (g, x, root) => g.op('Div', [root, x]) }).match).toBeUndefined()
    expect(found({}, true).match).toBeUndefined()
  })
})
