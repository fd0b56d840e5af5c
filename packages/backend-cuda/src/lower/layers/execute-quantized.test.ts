import { type Feeds, type Shape, sizeOf, Tensor } from '@lowlat/core'
import { createRandom, GraphBuilder, graphFromOnnx, inferTypes, onnxFromGraph, type Value } from '@lowlat/onnx'
import { simulatorUnavailable } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { relativeError } from '../../testing/compare.ts'
import { ModelRunner } from '../../testing/model-runner.ts'
import { quantizedReference } from '../../testing/quantized-reference.ts'

interface Case {
  readonly inputs?: Readonly<Record<string, Shape>>
  readonly build: (g: GraphBuilder, inputs: Readonly<Record<string, Value>>) => Value
  readonly operators: readonly string[]
}

type Zero = readonly [dtype: 'int8' | 'uint8', zeroPoint: number]

const parameters = (g: GraphBuilder, scale: number, [dtype, zeroPoint]: Zero) => [
  g.scalar('scale', 'float32', scale),
  g.scalar('zero', dtype, zeroPoint),
]
const quantize = (g: GraphBuilder, x: Value, scale: number, zero: Zero) =>
  g.op('QuantizeLinear', [x, ...parameters(g, scale, zero)])
const dequantize = (g: GraphBuilder, x: Value, scale: number, zero: Zero) =>
  g.op('DequantizeLinear', [x, ...parameters(g, scale, zero)])
const both = (g: GraphBuilder, x: Value, scale: number, zero: Zero) =>
  dequantize(g, quantize(g, x, scale, zero), scale, zero)

const integers = (g: GraphBuilder, shape: Shape) => {
  const size = sizeOf(shape)
  return g.constant(
    'w',
    new Tensor(
      'int8',
      shape,
      Int8Array.from({ length: size }, () => g.random.integer(255) - 127),
    ),
  )
}

/** Weights with a scale for each index of an axis. */
const weights = (g: GraphBuilder, shape: Shape, axis: number) => {
  const scales = Float32Array.from({ length: shape[axis]! }, () => 0.001 + 0.002 * g.random.uniform())
  const zeros = g.constant('zeros', Tensor.zeros('int8', [shape[axis]!]))
  return g.op(
    'DequantizeLinear',
    [integers(g, shape), g.constant('scales', new Tensor('float32', [shape[axis]!], scales)), zeros],
    {
      axis,
    },
  )
}

/** Weights of nine bits: uint8 with a zero point. */
const wide = (g: GraphBuilder, shape: Shape) => {
  const size = sizeOf(shape)
  const levels = new Tensor(
    'uint8',
    shape,
    Uint8Array.from({ length: size }, (_, i) => (i < 2 ? 255 * i : g.random.integer(256))),
  )
  return g.op('DequantizeLinear', [g.constant('w', levels), ...parameters(g, 0.004, ['uint8', 110])])
}

const symmetric: Zero = ['int8', 0]
const unsigned: Zero = ['uint8', 117]
const shifted: Zero = ['int8', -128]

const padded = { pads: [1, 1, 1, 1] }

const cases: Readonly<Record<string, Case>> = {
  'a chain of convolutions': {
    inputs: { x: [2, 3, 9, 10] },
    build: (g, { x }) => {
      const first = g.op('Relu', [g.op('Conv', [both(g, x!, 0.02, unsigned), weights(g, [16, 3, 3, 3], 0)], padded)])
      const second = g.op('Conv', [
        both(g, first, 0.05, shifted),
        weights(g, [12, 16, 3, 3], 0),
        g.weights('b', [12], 1),
      ])
      return both(g, second, 0.11, symmetric)
    },
    operators: ['QuantizeLinear', 'Conv+Relu+QuantizeLinear', 'Conv+QuantizeLinear', 'DequantizeLinear'],
  },
  'a depthwise convolution of unsigned integers': {
    inputs: { x: [1, 4, 7, 9] },
    build: (g, { x }) => {
      const wide = g.op('Conv', [both(g, x!, 0.02, unsigned), weights(g, [24, 4, 1, 1], 0)])
      const deep = g.op('Conv', [both(g, wide, 0.03, unsigned), weights(g, [24, 1, 3, 3], 0)], {
        ...padded,
        group: 24,
        strides: [2, 2],
      })
      return g.op('Clip', [deep, g.scalar('low', 'float32', -1), g.scalar('high', 'float32', 2)])
    },
    operators: ['QuantizeLinear', 'Conv+QuantizeLinear', 'Conv+Clip'],
  },
  'a residual block whose sum is added to integers': {
    inputs: { x: [1, 16, 6, 6] },
    build: (g, { x }) => {
      const start = both(g, x!, 0.02, symmetric)
      const first = g.op('Relu', [g.op('Conv', [start, weights(g, [16, 16, 3, 3], 0)], padded)])
      const second = g.op('Conv', [both(g, first, 0.04, symmetric), weights(g, [16, 16, 3, 3], 0)], padded)
      const sum = g.op('Relu', [g.op('Add', [second, start])])
      return g.op('Conv', [both(g, sum, 0.03, symmetric), weights(g, [8, 16, 1, 1], 0)])
    },
    operators: ['QuantizeLinear', 'Copy', 'Conv+Relu+QuantizeLinear', 'Conv+Add+Relu+QuantizeLinear', 'Conv'],
  },
  'a bias of integers, and one weight scale for all': {
    inputs: { x: [4, 40] },
    build: (g, { x }) => {
      const weight = g.op('DequantizeLinear', [integers(g, [10, 40]), g.scalar('s', 'float32', 0.01)])
      const bias = new Tensor(
        'int32',
        [10],
        Int32Array.from({ length: 10 }, () => g.random.integer(2001) - 1000),
      )
      const step = Math.fround(Math.fround(0.01) * Math.fround(0.02))
      const real = g.op('DequantizeLinear', [g.constant('b', bias), g.scalar('t', 'float32', step)])
      return g.op('Gemm', [both(g, x!, 0.02, unsigned), weight, real], { transB: 1 })
    },
    operators: ['QuantizeLinear', 'Gemm'],
  },
  'a linear layer over more axes': {
    inputs: { x: [2, 5, 24] },
    build: (g, { x }) => {
      const hidden = g.op('MatMul', [both(g, x!, 0.02, symmetric), weights(g, [24, 48], 1)])
      const active = g.op('Relu', [g.op('Add', [hidden, g.weights('bias', [48], 0.5)])])
      return g.op('MatMul', [both(g, active, 0.03, shifted), weights(g, [48, 12], 1)])
    },
    operators: ['QuantizeLinear', 'MatMul+Add+Relu+QuantizeLinear', 'MatMul'],
  },
  'a product of integers that both depend on a run': {
    inputs: { x: [6, 24], w: [24, 10] },
    build: (g, { x, w }) => g.op('MatMul', [both(g, x!, 0.02, symmetric), both(g, w!, 0.03, symmetric)]),
    operators: ['QuantizeLinear', 'QuantizeLinear', 'MatMul'],
  },
  'convolutions with weights of nine bits': {
    inputs: { x: [1, 3, 8, 9] },
    build: (g, { x }) => {
      const first = g.op('Conv', [both(g, x!, 0.02, unsigned), wide(g, [24, 3, 3, 3])], { ...padded, strides: [2, 2] })
      const deep = g.op('Conv', [both(g, first, 0.07, unsigned), wide(g, [24, 1, 3, 3])], { ...padded, group: 24 })
      const grouped = g.op('Conv', [both(g, deep, 0.09, shifted), wide(g, [16, 12, 3, 3])], { ...padded, group: 2 })
      return g.op('Conv', [both(g, grouped, 0.09, unsigned), wide(g, [12, 16, 1, 1]), g.weights('b', [12], 1)])
    },
    // The first and the third multiply a copy that has every channel twice.
    operators: ['QuantizeLinear', ...new Array<string>(5).fill('Conv+QuantizeLinear'), 'Conv'],
  },
  'products with weights of nine bits': {
    inputs: { x: [5, 24] },
    build: (g, { x }) => {
      const hidden = g.op('Gemm', [both(g, x!, 0.02, unsigned), wide(g, [20, 24])], { transB: 1 })
      return g.op('MatMul', [both(g, hidden, 0.07, shifted), wide(g, [20, 8])])
    },
    operators: ['QuantizeLinear', 'Gemm+QuantizeLinear', 'Gemm+QuantizeLinear', 'MatMul', 'MatMul'],
  },
  'sums of integers between layers': {
    inputs: { x: [1, 16, 6, 6] },
    build: (g, { x }) => {
      const start = both(g, x!, 0.02, shifted)
      const layer = (scale: number) => both(g, g.op('Conv', [start, weights(g, [16, 16, 1, 1], 0)]), scale, shifted)
      const sum = g.op('Relu', [g.op('Add', [layer(0.05), layer(0.04)])])
      return g.op('Conv', [both(g, sum, 0.06, shifted), weights(g, [8, 16, 1, 1], 0)])
    },
    operators: [
      ...['QuantizeLinear', 'Copy', 'Conv+QuantizeLinear', 'Conv+QuantizeLinear'],
      ...['DequantizeLinear+Add+Relu+QuantizeLinear', 'Conv'],
    ],
  },
}

const unavailable = simulatorUnavailable() ? `: ${simulatorUnavailable()}` : ''

describe.skipIf(unavailable)(`quantized layers on the simulator${unavailable}`, () => {
  let runner: ModelRunner
  beforeAll(async () => {
    runner = await ModelRunner.open()
  }, 300_000)
  afterAll(() => runner?.[Symbol.dispose]())

  async function run({ inputs = {}, build }: Case, precision: 'model' | 'int8') {
    const g = new GraphBuilder('layer')
    const values = Object.entries(inputs).map(([name, shape]) => [name, g.input(name, 'float32', shape)] as const)
    const y = build(g, Object.fromEntries(values))
    g.graph.addOutput(y)
    inferTypes(g.graph)
    const random = createRandom(5)
    const feeds: Feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, shape]) => {
        const data = new Float32Array(sizeOf(shape))
        return [name, new Tensor('float32', shape, random.normals(data, 1))]
      }),
    )
    const model = onnxFromGraph(g.graph)
    const lowered = runner.lower(model, feeds, { precision })
    const fetches = await runner.run(lowered, feeds)
    const graph = graphFromOnnx(model)
    const expected = quantizedReference(graph, feeds).get(graph.outputs[0]!)!
    const operators = lowered.program.steps.map((step) => (step.kind === 'kernel' ? step.operator : 'host'))
    return { operators, actual: fetches[y.name]!, expected }
  }

  it.each(Object.entries(cases))('compute %s bit by bit', async (_, one) => {
    const { operators, actual, expected } = await run(one, 'model')
    expect(operators).toEqual(one.operators)
    expect(actual.toFloat32()).toEqual(expected.toFloat32())
  })

  it('fold batch normalization into scales and stay close to what it computes', async () => {
    const g = new GraphBuilder('normalized')
    const x = g.input('x', 'float32', [1, 8, 6, 5])
    const vector = (name: string, deviation: number, base: number) =>
      g.constant(
        name,
        new Tensor(
          'float32',
          [12],
          g.normals(12, deviation).map((value) => value + base),
        ),
      )
    const biased = [both(g, x, 0.02, unsigned), weights(g, [12, 8, 3, 3], 0), vector('b', 0.5, 0)]
    const normal = [vector('gamma', 1, 0), vector('beta', 0.5, 0), vector('mean', 0.5, 0), vector('variance', 0.1, 1)]
    const active = g.op('Relu', [g.op('BatchNormalization', [g.op('Conv', biased, padded), ...normal])])
    g.graph.addOutput(both(g, active, 0.03, shifted))
    inferTypes(g.graph)
    const data = createRandom(5).normals(new Float32Array(240), 1)
    const feeds = { x: new Tensor('float32', [1, 8, 6, 5], data) }
    const model = onnxFromGraph(g.graph)
    const lowered = runner.lower(model, feeds)
    const operators = lowered.program.steps.map((step) => (step.kind === 'kernel' ? step.operator : 'host'))
    expect(operators).toEqual(['QuantizeLinear', 'Copy', 'Conv+Relu+QuantizeLinear', 'DequantizeLinear'])
    const [actual] = Object.values(await runner.run(lowered, feeds))
    await using reference = await runner.openReference(model)
    const [expected] = Object.values(await reference.run(feeds))
    const values = expected!.toFloat32()
    const steps = actual!.toFloat32().map((value, index) => Math.round(Math.abs(value - values[index]!) / 0.03))
    expect(Math.max(...steps)).toBeLessThanOrEqual(1)
    expect(steps.filter((distance) => distance > 0).length).toBeLessThan(steps.length / 50)
  })

  it('compute integer operators as the CPU backend does', async () => {
    const g = new GraphBuilder('integer')
    const x = g.input('x', 'uint8', [1, 6, 5, 7])
    const [input, hidden, result] = [0.02, 0.05, 0.07].map((scale) => parameters(g, scale, unsigned)) as [
      Value[],
      Value[],
      Value[],
    ]
    const perChannel = g.constant('scales', new Tensor('float32', [4], Float32Array.of(0.001, 0.002, 0.003, 0.004)))
    const bias = g.constant('b', new Tensor('int32', [4], Int32Array.of(-500, 0, 500, 1000)))
    const weight = [integers(g, [4, 6, 3, 3]), perChannel, g.constant('zeros', Tensor.zeros('int8', [4]))]
    const convolved = g.op('QLinearConv', [x, ...input, ...weight, ...hidden, bias], padded)
    const matrix = [integers(g, [7, 3]), g.scalar('scale', 'float32', 0.003), g.scalar('zero', 'int8', 0)]
    g.graph.addOutput(g.op('QLinearMatMul', [convolved, ...hidden, ...matrix, ...result]))
    inferTypes(g.graph)
    const feeds = {
      x: new Tensor(
        'uint8',
        [1, 6, 5, 7],
        Uint8Array.from({ length: 210 }, () => g.random.integer(256)),
      ),
    }
    const model = onnxFromGraph(g.graph)
    const lowered = runner.lower(model, feeds)
    expect(lowered.program.steps.map(({ kind }) => kind)).toEqual(['kernel', 'kernel'])
    const { QLinearMatMul: actual } = await runner.run(lowered, feeds)
    await using reference = await runner.openReference(model)
    const { QLinearMatMul: expected } = await reference.run(feeds)
    const levels = expected!.toFloat32()
    const distances = actual!.toFloat32().map((level, index) => Math.abs(level - levels[index]!))
    // It multiplies by one rounded quotient of scales; results half-way between two levels may differ.
    expect(Math.max(...distances)).toBeLessThanOrEqual(1)
    expect(distances.filter((distance) => distance > 0).length).toBeLessThan(distances.length / 20)
    expect(new Set(levels).size).toBeGreaterThan(10)
  })

  it.each(Object.entries(cases))('compute %s with floats between layers stored in 16 bits', async (_, one) => {
    const { actual, expected } = await run(one, 'int8')
    expect(relativeError(actual, expected)).toBeLessThan(0.03)
  })
})
