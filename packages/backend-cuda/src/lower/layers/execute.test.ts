import { type Feeds, type Precision, type Shape, sizeOf, Tensor } from '@lowlat/core'
import { createRandom, float, GraphBuilder, inferTypes, onnxFromGraph, type Value } from '@lowlat/onnx'
import { simulatorUnavailable } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cosineSimilarity, relativeError } from '../../testing/compare.ts'
import { ModelRunner } from '../../testing/model-runner.ts'

type Attributes = Parameters<GraphBuilder['op']>[2]

interface Case {
  readonly inputs?: Readonly<Record<string, Shape>>
  readonly opset?: number
  readonly build: (g: GraphBuilder, inputs: Readonly<Record<string, Value>>) => Value
  /** Operators of the steps on the device. */
  readonly operators: readonly string[]
}

const image: Shape = [2, 16, 9, 11]

const conv = (g: GraphBuilder, x: Value, shape: Shape, attributes: Attributes = {}, bias = true): Value => {
  const fanIn = sizeOf(shape.slice(1))
  const weights = g.weights('w', shape, 1 / Math.sqrt(fanIn))
  return g.op('Conv', [x, weights, ...(bias ? [g.weights('b', [shape[0]!], 0.3)] : [])], attributes)
}

const matrix = (g: GraphBuilder, name: string, shape: Shape): Value =>
  g.weights(name, shape, 1 / Math.sqrt(shape.at(-2)!))

const silu = (g: GraphBuilder, x: Value) => g.op('Mul', [x, g.op('Sigmoid', [x])])

const cases: Readonly<Record<string, Case>> = {
  'a convolution with uneven padding and strides': {
    build: (g, { x }) => conv(g, x!, [24, 16, 3, 3], { pads: [1, 0, 2, 1], strides: [2, 1] }),
    operators: ['Copy', 'Conv'],
  },
  'a convolution of few channels, read as they lie': {
    inputs: { x: [2, 3, 12, 13] },
    build: (g, { x }) => g.op('Relu', [conv(g, x!, [8, 3, 3, 3], { auto_pad: 'SAME_UPPER', strides: [2, 2] })]),
    operators: ['Conv+Relu'],
  },
  'a convolution with padding at the end, then one with a residual': {
    inputs: { x: [1, 4, 6, 5] },
    build: (g, { x }) => {
      const first = silu(g, conv(g, x!, [16, 4, 2, 2], { auto_pad: 'SAME_LOWER' }))
      const sum = g.op('Add', [first, conv(g, first, [16, 16, 3, 3], { pads: [1, 1, 1, 1] }, false)])
      return g.op('Relu', [conv(g, g.op('LeakyRelu', [sum]), [4, 16, 1, 1])])
    },
    operators: ['Conv+Swish', 'Conv+Add+LeakyRelu', 'Conv+Relu'],
  },
  'a grouped and dilated convolution': {
    build: (g, { x }) => conv(g, x!, [32, 8, 3, 2], { group: 2, dilations: [2, 3] }),
    operators: ['Copy', 'Conv'],
  },
  'a depthwise convolution between others': {
    inputs: { x: [2, 4, 7, 9] },
    build: (g, { x }) => {
      const wide = g.op('Clip', [
        conv(g, x!, [20, 4, 1, 1]),
        g.scalar('low', 'float32', 0),
        g.scalar('high', 'float32', 6),
      ])
      const deep = conv(g, wide, [20, 1, 3, 3], { group: 20, pads: [1, 1, 1, 1], strides: [2, 2] })
      return conv(g, g.op('HardSwish', [deep]), [8, 20, 1, 1])
    },
    operators: ['Conv+Clip', 'Conv+HardSwish', 'Conv'],
  },
  'a convolution over one axis': {
    inputs: { x: [2, 5, 40] },
    build: (g, { x }) => g.op('Tanh', [conv(g, x!, [12, 5, 4], { pads: [2, 1], strides: [3] })]),
    operators: ['Conv+Tanh'],
  },
  'a depthwise convolution over one axis': {
    inputs: { x: [2, 5, 40] },
    build: (g, { x }) => conv(g, conv(g, x!, [16, 5, 1]), [16, 1, 3], { group: 16, dilations: [2] }, false),
    operators: ['Conv', 'Conv'],
  },
  'transposed convolutions': {
    inputs: { x: [2, 6, 5, 4] },
    build: (g, { x }) => {
      const attributes = { strides: [2, 3], pads: [1, 0, 0, 1], output_padding: [1, 0], dilations: [1, 2] }
      const transposed = (from: Value, shape: Shape, more: Attributes) =>
        g.op('ConvTranspose', [from, g.weights('w', shape, 0.2), g.weights('b', [shape[1]! * 2], 0.2)], {
          group: 2,
          ...more,
        })
      const first = g.op('Relu', [transposed(x!, [6, 8, 3, 4], attributes)])
      const second = transposed(first, [16, 3, 2, 1], { strides: [3, 2] })
      return transposed(second, [6, 4, 4, 3], { strides: [1, 2], auto_pad: 'SAME_LOWER' })
    },
    operators: [
      'Copy',
      ...new Array<string>(6).fill('ConvTranspose+Relu'),
      ...new Array<string>(8).fill('ConvTranspose'),
    ],
  },
  'a transposed convolution over one axis with a residual': {
    inputs: { x: [1, 4, 9], r: [1, 4, 18] },
    build: (g, { x, r }) =>
      g.op('Add', [g.op('ConvTranspose', [x!, g.weights('w', [4, 4, 4], 0.3)], { strides: [2], pads: [1, 1] }), r!]),
    operators: ['Copy', 'ConvTranspose+Add', 'ConvTranspose+Add'],
  },
  'layers with the same result in both operands of a sum': {
    inputs: { x: [1, 4, 6, 6] },
    build: (g, { x }) =>
      g.op('Relu', [g.op('Add', [conv(g, x!, [8, 4, 1, 1]), conv(g, x!, [8, 4, 3, 3], { pads: [1, 1, 1, 1] })])]),
    operators: ['Conv', 'Conv+Add+Relu'],
  },
  'a Gemm with transposed operands and a scaled bias': {
    inputs: { x: [20, 9] },
    build: (g, { x }) => {
      const factors = { alpha: float(0.5), beta: float(2), transA: 1, transB: 1 }
      return g.op('Gelu', [g.op('Gemm', [x!, g.weights('w', [17, 20], 0.3), g.weights('b', [17], 1)], factors)])
    },
    opset: 20,
    operators: ['Gemm+Gelu'],
  },
  'a Gemm that adds a matrix': {
    inputs: { x: [6, 20], c: [6, 1] },
    build: (g, { x, c }) => g.op('Relu', [g.op('Gemm', [x!, matrix(g, 'w', [20, 12]), c])]),
    operators: ['Gemm+Relu'],
  },
  'a Gemm of two inputs': {
    inputs: { x: [6, 20], w: [10, 20] },
    build: (g, { x, w }) => g.op('Gemm', [x!, w!, g.weights('b', [10], 1)], { transB: 1 }),
    operators: ['Gemm'],
  },
  'a linear layer over more axes with a residual': {
    inputs: { x: [2, 5, 24] },
    build: (g, { x }) => {
      const hidden = g.op('Add', [g.op('MatMul', [x!, matrix(g, 'w1', [24, 40])]), g.weights('b1', [40], 0.5)])
      const product = g.op('MatMul', [silu(g, hidden), matrix(g, 'w2', [40, 24])])
      return g.op('Add', [x!, g.op('Add', [product, g.weights('b2', [24], 0.5)])])
    },
    operators: ['MatMul+Add+Swish', 'MatMul+Add+Add'],
  },
  'a product that is multiplied with a gate and broadcast': {
    inputs: { x: [2, 5, 24], gate: [5, 1] },
    build: (g, { x, gate }) => g.op('Mul', [g.op('MatMul', [x!, matrix(g, 'w', [24, 8])]), gate!]),
    operators: ['MatMul+Mul'],
  },
  'a product of batches that are broadcast': {
    inputs: { x: [3, 1, 5, 12], w: [2, 12, 7] },
    build: (g, { x, w }) => g.op('MatMul', [x!, w!]),
    operators: ['MatMul'],
  },
  'products with vectors': {
    inputs: { x: [12], w: [2, 12, 7] },
    build: (g, { x, w }) => g.op('MatMul', [g.op('Relu', [g.op('MatMul', [x!, w!])]), g.weights('v', [7], 0.5)]),
    operators: ['MatMul+Relu', 'MatMul'],
  },
  'attention with a mask': {
    inputs: { x: [2, 10, 48], mask: [2, 1, 1, 10] },
    build: (g, { x, mask }) => {
      const shape = g.int64('heads', [0, 0, 3, 16])
      const part = (name: string, perm: number[]) => {
        const heads = g.op('Reshape', [g.op('MatMul', [x!, matrix(g, name, [48, 48])]), shape])
        return g.op('Transpose', [heads], { perm })
      }
      const scores = g.op('MatMul', [part('q', [0, 2, 1, 3]), part('k', [0, 2, 3, 1])])
      const masked = g.op('Add', [g.op('Div', [scores, g.scalar('scale', 'float32', 4)]), mask!])
      const mixed = g.op('MatMul', [g.op('Softmax', [masked], { axis: -1 }), part('v', [0, 2, 1, 3])])
      const joined = g.op('Reshape', [
        g.op('Transpose', [mixed], { perm: [0, 2, 1, 3] }),
        g.int64('joined', [0, 0, 48]),
      ])
      return g.op('MatMul', [joined, matrix(g, 'o', [48, 48])])
    },
    operators: ['MatMul', 'MatMul', 'MatMul', 'Attention', 'MatMul'],
  },
}

const unavailable = simulatorUnavailable() ? `: ${simulatorUnavailable()}` : ''

describe.skipIf(unavailable)(`layers on the simulator${unavailable}`, () => {
  let runner: ModelRunner
  beforeAll(async () => {
    runner = await ModelRunner.open()
  }, 300_000)
  afterAll(() => runner?.[Symbol.dispose]())

  async function run({ inputs = { x: image }, opset = 17, build }: Case, precision: Precision) {
    const g = new GraphBuilder('layer', { opset })
    const values = Object.entries(inputs).map(([name, shape]) => [name, g.input(name, 'float32', shape)] as const)
    const y = build(g, Object.fromEntries(values))
    g.graph.addOutput(y)
    inferTypes(g.graph)
    const model = onnxFromGraph(g.graph)
    const random = createRandom(5)
    const feeds: Feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, shape]) => {
        const data = new Float32Array(sizeOf(shape))
        return [name, new Tensor('float32', shape, random.normals(data, 1))]
      }),
    )
    const lowered = runner.lower(model, feeds, { precision })
    const fetches = await runner.run(lowered, feeds)
    await using reference = await runner.openReference(model)
    const expected = (await reference.run(feeds))[y.name]!
    const operators = lowered.program.steps.map((step) => (step.kind === 'kernel' ? step.operator : 'host'))
    return { operators, actual: fetches[y.name]!, expected }
  }

  it.each(Object.entries(cases))('compute %s in fp32', async (_, one) => {
    const { operators, actual, expected } = await run(one, 'fp32')
    expect(operators).toEqual(one.operators)
    expect(relativeError(actual, expected)).toBeLessThan(1e-5)
  })

  it.each(Object.entries(cases))('compute %s in fp16', async (_, one) => {
    const { actual, expected } = await run(one, 'fp16')
    expect(cosineSimilarity(actual, expected)).toBeGreaterThan(0.9999)
    expect(relativeError(actual, expected)).toBeLessThan(5e-3)
  })
})
