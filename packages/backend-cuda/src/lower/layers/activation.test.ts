import { Tensor } from '@lowlat/core'
import { float, GraphBuilder, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { factsOf } from '../../testing/facts.ts'
import { activationOf } from './activation.ts'

type Body = (g: GraphBuilder, x: Value) => Value

/** The activation found behind the input of a graph, if it reaches to the output. */
function found(body: Body, opset = 20) {
  const g = new GraphBuilder('activation', { opset })
  const x = g.input('x', 'float32', [2, 3])
  const y = body(g, x)
  g.output('y', y, 'float32', [2, 3])
  const match = activationOf(x, factsOf(g.graph))
  return match?.output === y && match.nodes.length === g.graph.nodes.length ? match.activation : undefined
}

const scalar = (g: GraphBuilder, value: number) => g.scalar('c', 'float32', value)
const op = (g: GraphBuilder, type: string, ...inputs: Value[]) => g.op(type, inputs)

describe('activationOf', () => {
  it.each([
    ['x (1 + erf) 0.5', (g, x, gate) => op(g, 'Mul', op(g, 'Mul', x, gate), scalar(g, 0.5))],
    ['0.5 x (1 + erf)', (g, x, gate) => op(g, 'Mul', op(g, 'Mul', scalar(g, 0.5), x), gate)],
    ['x (0.5 (1 + erf))', (g, x, gate) => op(g, 'Mul', x, op(g, 'Mul', gate, scalar(g, 0.5)))],
    ['x (1 + erf) / 2', (g, x, gate) => op(g, 'Div', op(g, 'Mul', gate, x), scalar(g, 2))],
  ] satisfies [string, (g: GraphBuilder, x: Value, gate: Value) => Value][])('finds GELU as %s', (_, body) => {
    const divided: Body = (g, x) =>
      body(g, x, op(g, 'Add', op(g, 'Erf', op(g, 'Div', x, scalar(g, Math.SQRT2))), scalar(g, 1)))
    const multiplied: Body = (g, x) =>
      body(g, x, op(g, 'Add', scalar(g, 1), op(g, 'Erf', op(g, 'Mul', x, scalar(g, Math.SQRT1_2)))))
    expect(found(divided)).toEqual({ kind: 'gelu' })
    expect(found(multiplied)).toEqual({ kind: 'gelu' })
  })

  it('finds the approximation of GELU, with its cube as a power or as products', () => {
    const approximation =
      (cube: Body): Body =>
      (g, x) => {
        const inner = op(g, 'Add', x, op(g, 'Mul', cube(g, x), scalar(g, 0.044715)))
        const gate = op(g, 'Add', op(g, 'Tanh', op(g, 'Mul', inner, scalar(g, Math.sqrt(2 / Math.PI)))), scalar(g, 1))
        return op(g, 'Mul', op(g, 'Mul', x, scalar(g, 0.5)), gate)
      }
    expect(found(approximation((g, x) => op(g, 'Pow', x, scalar(g, 3))))).toEqual({ kind: 'geluTanh' })
    expect(found(approximation((g, x) => op(g, 'Mul', op(g, 'Mul', x, x), x)))).toEqual({ kind: 'geluTanh' })
  })

  it('finds SiLU, hard swish and Mish among their operators', () => {
    expect(found((g, x) => op(g, 'Mul', x, op(g, 'Sigmoid', x)))).toEqual({ kind: 'swish', alpha: 1 })
    expect(found((g, x) => op(g, 'Mul', op(g, 'Sigmoid', op(g, 'Mul', x, scalar(g, 1.5))), x))).toEqual({
      kind: 'swish',
      alpha: 1.5,
    })
    const hardSwish = { kind: 'hardSwish', alpha: 1 / 6, beta: 0.5 }
    expect(found((g, x) => op(g, 'HardSwish', x))).toEqual(hardSwish)
    expect(
      found((g, x) => op(g, 'Mul', x, g.op('HardSigmoid', [x], { alpha: float(1 / 6), beta: float(0.5) }))),
    ).toEqual(hardSwish)
    const relu6: Body = (g, x) => op(g, 'Clip', op(g, 'Add', x, scalar(g, 3)), scalar(g, 0), scalar(g, 6))
    expect(found((g, x) => op(g, 'Div', op(g, 'Mul', x, relu6(g, x)), scalar(g, 6)))).toEqual(hardSwish)
    expect(found((g, x) => op(g, 'Div', relu6(g, x), scalar(g, 6)))).toEqual({ ...hardSwish, kind: 'hardSigmoid' })
    expect(found((g, x) => op(g, 'Mul', x, op(g, 'Tanh', op(g, 'Softplus', x))))).toEqual({ kind: 'mish' })
  })

  it('takes the parameters of single operators', () => {
    expect(found((g, x) => op(g, 'Relu', x))).toEqual({ kind: 'relu' })
    expect(found((g, x) => g.op('LeakyRelu', [x], { alpha: float(0.125) }))).toEqual({
      kind: 'leakyRelu',
      alpha: 0.125,
    })
    expect(found((g, x) => op(g, 'Clip', x, scalar(g, 0), scalar(g, 6)))).toEqual({ kind: 'clip', alpha: 0, beta: 6 })
    expect(found((g, x) => g.op('Clip', [x, undefined, scalar(g, 6)]))).toEqual({
      kind: 'clip',
      alpha: Number.NEGATIVE_INFINITY,
      beta: 6,
    })
    expect(found((g, x) => g.op('Clip', [x], { min: float(-1), max: float(1) }), 9)).toEqual({
      kind: 'clip',
      alpha: -1,
      beta: 1,
    })
    expect(found((g, x) => g.op('Gelu', [x], { approximate: 'tanh' }))).toEqual({ kind: 'geluTanh' })
  })

  it('finds nothing where constants differ, depend on a run, or are vectors', () => {
    const gelu =
      (root: Body, half = 0.5): Body =>
      (g, x) =>
        op(g, 'Mul', op(g, 'Mul', x, op(g, 'Add', op(g, 'Erf', root(g, x)), scalar(g, 1))), scalar(g, half))
    expect(found(gelu((g, x) => op(g, 'Mul', x, scalar(g, 0.7))))).toBeUndefined()
    expect(found(gelu((g, x) => op(g, 'Div', x, scalar(g, Math.SQRT2)), 0.25))).toBeUndefined()
    const vector = (g: GraphBuilder) =>
      g.constant('v', new Tensor('float32', [3], new Float32Array(3).fill(Math.SQRT2)))
    expect(found(gelu((g, x) => op(g, 'Div', x, vector(g))))).toBeUndefined()
    expect(found((g, x) => op(g, 'Clip', x, g.input('low', 'float32', [])))).toBeUndefined()
    expect(found((g, x) => op(g, 'Clip', x, scalar(g, -1), scalar(g, 1)))).toBeDefined()
    expect(found((g, x) => op(g, 'Clip', x, scalar(g, 1), scalar(g, -1)))).toBeUndefined()
    expect(found((g, x) => op(g, 'Mul', x, op(g, 'Relu', x)))).toBeUndefined()
  })

  it('finds nothing where something else reads a value inside', () => {
    const g = new GraphBuilder('read')
    const x = g.input('x', 'float32', [2, 3])
    const gate = op(g, 'Sigmoid', x)
    g.output('gate', gate, 'float32', [2, 3])
    g.output('y', op(g, 'Mul', x, gate), 'float32', [2, 3])
    expect(activationOf(x, factsOf(g.graph))).toBeUndefined()
  })
})
