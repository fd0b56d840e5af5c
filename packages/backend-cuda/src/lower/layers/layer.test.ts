import { Tensor } from '@lowlat/core'
import { GraphBuilder, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { factsOf } from '../../testing/facts.ts'
import { type Layer, layerOf } from './layer.ts'

const conv = (g: GraphBuilder, x: Value, bias = true) =>
  g.op('Conv', [x, g.weights('w', [4, 4, 1, 1], 1), ...(bias ? [g.weights('b', [4], 1)] : [])])

const scale = (g: GraphBuilder, value: number) => g.scalar('scale', 'float32', value)
const zero = (g: GraphBuilder, value = 0) => g.scalar('zero', 'int8', value)
const quantize = (g: GraphBuilder, x: Value, step = 0.5) => g.op('QuantizeLinear', [x, scale(g, step), zero(g)])
const dequantize = (g: GraphBuilder, x: Value, step = 0.5) => g.op('DequantizeLinear', [x, scale(g, step), zero(g)])
const weights = (g: GraphBuilder, shape: number[] = [4, 4, 1, 1]) =>
  dequantize(g, g.constant('w', Tensor.zeros('int8', shape)), 0.25)

/** The layers of a graph with a value [1, 4, 2, 2] as input and output, claimed in the order of the graph. */
function layersOf(body: (g: GraphBuilder, x: Value) => Value): Layer[] {
  const g = new GraphBuilder('layers')
  const y = body(g, g.input('x', 'float32', [1, 4, 2, 2]))
  g.output('y', y, 'float32', [1, 4, 2, 2])
  const facts = factsOf(g.graph)
  return g.graph.nodes.flatMap((node) => {
    const layer = facts.isClaimed(node) ? undefined : layerOf(node, facts)
    for (const one of layer?.nodes ?? []) facts.claim(one)
    return layer ?? []
  })
}

const operators = (body: (g: GraphBuilder, x: Value) => Value) => layersOf(body).map(({ operator }) => operator)

describe('layerOf', () => {
  it('takes a bias, an activation, a residual sum and another activation', () => {
    const [layer, ...others] = layersOf((g, x) => {
      const product = g.op('MatMul', [x, g.weights('w', [2, 2], 1)])
      const active = g.op('Relu', [g.op('Add', [g.weights('b', [2], 1), product])])
      return g.op('Tanh', [g.op('Add', [x, active])])
    })
    expect(others).toEqual([])
    expect(layer!.operator).toBe('MatMul+Add+Relu+Add+Tanh')
    expect(layer!.tail.bias!.name).toBe('b')
    expect(layer!.tail.activation).toEqual({ kind: 'relu' })
    expect(layer!.tail.residual).toEqual({ value: expect.objectContaining({ name: 'x' }), operation: 'add' })
    expect(layer!.tail.finalActivation).toEqual({ kind: 'tanh' })
  })

  it('names formulas by what they compute', () => {
    const silu = (g: GraphBuilder, x: Value) => g.op('Mul', [x, g.op('Sigmoid', [x])])
    expect(operators((g, x) => silu(g, conv(g, x)))).toEqual(['Conv+Swish'])
  })

  it('gives a sum of two layers to the later one', () => {
    expect(operators((g, x) => g.op('Relu', [g.op('Add', [conv(g, x), conv(g, x)])]))).toEqual([
      'Conv',
      'Conv+Add+Relu',
    ])
    const second = (g: GraphBuilder, x: Value) => g.op('Sigmoid', [conv(g, x)])
    expect(operators((g, x) => g.op('Add', [second(g, x), conv(g, x)]))).toEqual(['Conv+Sigmoid', 'Conv+Add'])
  })

  it('gives it to the earlier one where the later result has other readers', () => {
    expect(
      operators((g, x) => {
        const first = conv(g, x)
        const second = conv(g, x)
        return g.op('Concat', [g.op('Add', [first, second]), second], { axis: 1 })
      }),
    ).toEqual(['Conv+Add', 'Conv'])
  })

  it('leaves alone what an output or another node reads', () => {
    expect(
      operators((g, x) => {
        const y = conv(g, x)
        g.output('features', y, 'float32', [1, 4, 2, 2])
        return g.op('Relu', [y])
      }),
    ).toEqual(['Conv'])
  })

  it('adds a tensor that is larger than the result in a node of its own', () => {
    const large = (g: GraphBuilder) => g.weights('large', [3, 4, 2, 2], 1)
    expect(operators((g, x) => g.op('ReduceMean', [g.op('Add', [conv(g, x), large(g)])], { axes: [0] }))).toEqual([
      'Conv',
    ])
  })

  it('multiplies as integers what was dequantized, and quantizes the result', () => {
    const [layer] = layersOf((g, x) => {
      const biased = [dequantize(g, quantize(g, x)), weights(g), g.weights('b', [4], 1)]
      return dequantize(g, quantize(g, g.op('Relu', [g.op('Conv', biased)]), 0.125))
    })
    expect(layer!.operator).toBe('Conv+Relu+QuantizeLinear')
    expect(layer!.nodes.map(({ opType }) => opType)).toEqual([
      'DequantizeLinear',
      'DequantizeLinear',
      'Conv',
      'Relu',
      'QuantizeLinear',
    ])
    expect(layer!.integers!.input.quantization).toEqual({ dtype: 'int8', scale: 0.5, zeroPoint: 0 })
    expect(layer!.tail.quantization).toEqual({ dtype: 'int8', scale: 0.125, zeroPoint: 0 })
  })

  it('adds a bias to the sums where its steps are theirs, and to floats where they are not', () => {
    const biased = (step: number) => (g: GraphBuilder, x: Value) => {
      const none = g.scalar('none', 'int32', 0)
      const bias = g.op('DequantizeLinear', [g.constant('b', Tensor.zeros('int32', [4])), scale(g, step), none])
      return g.op('Conv', [dequantize(g, quantize(g, x)), weights(g), bias])
    }
    expect(layersOf(biased(0.125))[0]!.integers!.bias!.integers.name).toBe('b')
    expect(layersOf(biased(0.25))[0]!.integers!.bias).toBeUndefined()
    expect(layersOf(biased(0.25))[0]!.nodes).toHaveLength(4)
  })

  it('adds integers of a residual as they lie', () => {
    const [layer] = layersOf((g, x) => {
      const integers = quantize(g, x)
      const y = g.op('Conv', [dequantize(g, integers), weights(g)])
      return g.op('Add', [y, dequantize(g, integers)])
    })
    expect(layer!.operator).toBe('Conv+Add')
    expect(layer!.nodes).toHaveLength(5)
    expect(layer!.tail.residual!.quantized!.integers.name).toBe('QuantizeLinear')
  })

  it('multiplies floats where scales lie along another axis, or weights may need more than nine bits', () => {
    const vector = (g: GraphBuilder) => g.weights('s', [4], 1)
    const layer = (axis: number, zeroPoint = 0) =>
      layersOf((g, x) => {
        const zeros = g.constant('z', new Tensor('int8', [4], new Int8Array(4).fill(zeroPoint)))
        const parameters = [g.constant('w', Tensor.zeros('int8', [4, 4, 1, 1])), vector(g), zeros]
        return g.op('Conv', [dequantize(g, quantize(g, x)), g.op('DequantizeLinear', parameters, { axis })])
      })[0]!
    expect(layer(0).integers!.weight).toMatchObject({ isWide: false })
    expect(layer(1).integers).toBeUndefined()
    expect(layer(0, 1).integers!.weight).toMatchObject({ isWide: true })
    expect(layer(0, -128).integers).toBeUndefined()
  })
})
