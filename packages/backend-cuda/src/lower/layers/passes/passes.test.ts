import { Tensor } from '@lowlat/core'
import { GraphBuilder, runPasses, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { lastPasses, preparingPasses } from './index.ts'

const image = [1, 4, 4, 4]

function prepared(body: (g: GraphBuilder, x: Value) => Value, shape: readonly number[] = image) {
  const g = new GraphBuilder('passes')
  const y = body(g, g.input('x', 'float32', image))
  g.output('y', y, 'float32', shape)
  runPasses(g.graph, preparingPasses)
  runPasses(g.graph, lastPasses)
  return g.graph
}

const operators = (body: (g: GraphBuilder, x: Value) => Value, shape?: readonly number[]) =>
  prepared(body, shape).nodes.map(({ opType }) => opType)

const parameters = (g: GraphBuilder, step: number) => [g.scalar('s', 'float32', step), g.scalar('z', 'uint8', 3)]
const quantize = (g: GraphBuilder, x: Value, step = 0.5) => g.op('QuantizeLinear', [x, ...parameters(g, step)])
const dequantize = (g: GraphBuilder, x: Value, step = 0.5) => g.op('DequantizeLinear', [x, ...parameters(g, step)])
const both = (g: GraphBuilder, x: Value, step?: number) => dequantize(g, quantize(g, x, step), step)
const pool = (g: GraphBuilder, x: Value) => g.op('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] })

describe('passes that prepare quantized layers', () => {
  it('let a maximum and movements work on integers where the same quantization follows', () => {
    const around = (g: GraphBuilder, x: Value) => both(g, g.op('Flatten', [both(g, pool(g, both(g, x)))]))
    expect(operators((g, x) => g.op('Relu', [around(g, x)]), [1, 16])).toEqual([
      ...['QuantizeLinear', 'MaxPool', 'Flatten', 'DequantizeLinear', 'Relu'],
    ])
  })

  it('join integers of the same quantization, and only of the same', () => {
    const joined = (step: number) => (g: GraphBuilder, x: Value) =>
      g.op('Relu', [g.op('Concat', [both(g, g.op('Abs', [x])), both(g, g.op('Neg', [x]), step)], { axis: 1 })])
    const quantized = ['Abs', 'QuantizeLinear', 'Neg', 'QuantizeLinear']
    const sort = (list: string[]) => [...list].sort()
    expect(sort(operators(joined(0.5), [1, 8, 4, 4]))).toEqual(
      sort([...quantized, 'Concat', 'DequantizeLinear', 'Relu']),
    )
    expect(sort(operators(joined(0.25), [1, 8, 4, 4]))).toEqual(
      sort([...quantized, 'DequantizeLinear', 'DequantizeLinear', 'Concat', 'Relu']),
    )
  })

  it('convert integers of different quantizations before they are joined', () => {
    const joined = (g: GraphBuilder, x: Value) => {
      const parts = [both(g, g.op('Abs', [x])), both(g, g.op('Neg', [x]), 0.25)]
      return g.op('Relu', [both(g, g.op('Concat', parts, { axis: 1 }))])
    }
    const nodes = operators(joined, [1, 8, 4, 4])
    // The first has the quantization of the result already.
    expect(nodes.filter((node) => node === 'QuantizeLinear')).toHaveLength(3)
    expect(nodes.slice(-3)).toEqual(['Concat', 'DequantizeLinear', 'Relu'])
  })

  it('let layers quantize before a maximum', () => {
    const layer = (g: GraphBuilder, x: Value) => g.op('Relu', [g.op('Conv', [x, g.weights('w', [4, 4, 1, 1], 1)])])
    const shape = [1, 4, 2, 2]
    const tail = ['MaxPool', 'DequantizeLinear', 'Sin']
    expect(operators((g, x) => g.op('Sin', [both(g, pool(g, layer(g, x)))]), shape)).toEqual([
      ...['Conv', 'Relu', 'QuantizeLinear', ...tail],
    ])
    expect(operators((g, x) => g.op('Sin', [both(g, pool(g, x))]), shape)).toEqual([
      ...['MaxPool', 'QuantizeLinear', 'DequantizeLinear', 'Sin'],
    ])
  })

  it('give every reader of integers a DequantizeLinear of its own', () => {
    const graph = prepared((g, x) => {
      const real = both(g, x)
      return g.op('Mul', [g.op('Sin', [real]), g.op('Cos', [real])])
    })
    const nodes = graph.nodes.filter(({ opType }) => opType === 'DequantizeLinear')
    expect(nodes.map(({ outputs }) => outputs[0]!.uses.length)).toEqual([1, 1])
    expect(new Set(nodes.map(({ name }) => name)).size).toBe(2)
  })

  it('shift weights to int8 with zero point 0 where they fit', () => {
    const weights = (levels: readonly number[], zeroPoint: number) => (g: GraphBuilder, x: Value) => {
      const integers = g.constant(
        'w',
        new Tensor(
          'uint8',
          [4, 4, 1, 1],
          Uint8Array.from({ length: 16 }, (_, i) => levels[i % 2]!),
        ),
      )
      const inputs = [integers, g.scalar('s', 'float32', 0.5), g.scalar('z', 'uint8', zeroPoint)]
      return g.op('Conv', [x, g.op('DequantizeLinear', inputs)])
    }
    const weightOf = (levels: readonly number[], zeroPoint: number) => {
      const { nodes } = prepared(weights(levels, zeroPoint))
      const [integers, , zero] = nodes.find(({ opType }) => opType === 'DequantizeLinear')!.inputs
      const { elementType, tensor } = integers!.initializer!
      return { elementType, levels: Array.from(tensor.data.slice(0, 2) as Int8Array), zero }
    }
    expect(weightOf([0, 255], 128)).toEqual({ elementType: 'int8', levels: [-128, 127], zero: undefined })
    expect(weightOf([100, 150], 100)).toEqual({ elementType: 'int8', levels: [0, 50], zero: undefined })
    expect(weightOf([0, 255], 127)).toMatchObject({ elementType: 'uint8', levels: [0, 255], zero: { name: 'z' } })
  })
})
