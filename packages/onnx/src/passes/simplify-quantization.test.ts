import { type DType, dtypes, Tensor } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import type { Value } from '../graph/value.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { simplifyQuantization } from './simplify-quantization.ts'

interface Parameters {
  readonly scale?: number
  readonly zeroPoint?: number
  readonly type?: 'int8' | 'uint8'
}

/** New constants for each node, as exporters write them. */
function parameters(g: GraphBuilder, { scale = 0.25, zeroPoint = 3, type = 'uint8' }: Parameters): Value[] {
  return [g.scalar('scale', 'float32', scale), g.scalar('zero', type, zeroPoint)]
}
const quantize = (g: GraphBuilder, x: Value, options: Parameters = {}) =>
  g.op('QuantizeLinear', [x, ...parameters(g, options)])
const dequantize = (g: GraphBuilder, x: Value, options: Parameters = {}) =>
  g.op('DequantizeLinear', [x, ...parameters(g, options)])
const input = (g: GraphBuilder) => g.input('x', 'float32', [40])
const output = (g: GraphBuilder, y: Value) => g.output('y', y, 'float32', [40])

describe('a QuantizeLinear of what was dequantized', () => {
  it('cancels where the parameters are equal', async () => {
    const { operators } = await applyPass(simplifyQuantization, (g) =>
      output(g, dequantize(g, quantize(g, dequantize(g, quantize(g, input(g)))))),
    )
    expect(operators).toBe('QuantizeLinear DequantizeLinear')
  })

  it.each<[string, Parameters]>([
    ['scale', { scale: 0.5 }],
    ['zero point', { zeroPoint: 4 }],
    ['type', { type: 'int8' }],
  ])('stays where it has another %s', async (_, other) => {
    const { changes } = await applyPass(simplifyQuantization, (g) =>
      output(g, dequantize(g, quantize(g, dequantize(g, quantize(g, input(g))), other), other)),
    )
    expect(changes).toBe(0)
  })

  it('stays where the scale is a zero, or an input of the graph', async () => {
    const zero = await applyPass(simplifyQuantization, (g) => {
      const integers = g.op('Cast', [g.op('Abs', [input(g)])], { to: dtypes.uint8.onnxCode })
      output(g, dequantize(g, quantize(g, dequantize(g, integers, { scale: 0 }), { scale: 0 })))
    })
    expect(zero.operators).toMatch(/DequantizeLinear QuantizeLinear DequantizeLinear$/)
    const fed = await applyPass(simplifyQuantization, (g) => {
      const scale = g.input('scale', 'float32', [])
      const steps = ['QuantizeLinear', 'DequantizeLinear', 'QuantizeLinear', 'DequantizeLinear']
      output(
        g,
        steps.reduce((x, opType) => g.op(opType, [x, scale, g.scalar('zero', 'uint8', 0)]), input(g)),
      )
    })
    expect(fed.changes).toBe(0)
  })

  it('without zero points cancels for uint8 only, which it gives back', () => {
    const changes = (type: DType) => {
      const g = new GraphBuilder('test')
      const x = g.input('x', type, [3])
      g.op('Neg', [
        g.op('QuantizeLinear', [
          g.op('DequantizeLinear', [x, g.scalar('s', 'float32', 1)]),
          g.scalar('s', 'float32', 1),
        ]),
      ])
      return simplifyQuantization.run(g.graph)
    }
    expect([changes('uint8'), changes('int8')]).toEqual([1, 0])
  })

  it('by channel cancels where the axes are equal', () => {
    const changes = (axis: number) => {
      const g = new GraphBuilder('test')
      const scale = () => g.constant('s', new Tensor('float32', [3], Float32Array.of(1, 2, 3)))
      const zero = () => g.constant('z', Tensor.zeros('int8', [3]))
      const x = g.op('DequantizeLinear', [g.input('x', 'int8', [3, 3]), scale(), zero()], { axis: 0 })
      g.op('Neg', [g.op('QuantizeLinear', [x, scale(), zero()], { axis })])
      return simplifyQuantization.run(g.graph)
    }
    expect([changes(0), changes(1)]).toEqual([1, 0])
  })
})

it('equal pairs on one value become one', async () => {
  const { operators } = await applyPass(simplifyQuantization, (g) => {
    const x = input(g)
    const [a, b, c] = [{}, {}, { scale: 0.5 }].map((options) => dequantize(g, quantize(g, x, options), options))
    output(g, g.op('Sum', [a, b, c]))
  })
  expect(operators).toBe('QuantizeLinear DequantizeLinear QuantizeLinear DequantizeLinear Sum')
})

it('weights in float become the integers that they are rounded to', async () => {
  const { operators, graph } = await applyPass(simplifyQuantization, (g) => {
    const weight = dequantize(g, quantize(g, g.weights('w', [40], 1), { type: 'int8' }), { type: 'int8' })
    output(g, g.op('Add', [input(g), weight]))
  })
  expect(operators).toBe('DequantizeLinear Add')
  expect(graph.nodes[0]!.inputs[0]!.elementType).toBe('int8')
})
