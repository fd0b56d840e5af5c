import { createBackend as createCpuBackend } from '@lowlat/backend-cpu'
import { type DType, type Shape, Tensor } from '@lowlat/core'
import { createRandom, float, GraphBuilder, inferTypes, onnxFromGraph, type Value } from '@lowlat/onnx'
import { simulatorUnavailable } from '@lowlat/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { relativeError } from '../testing/compare.ts'
import { type LoadedKernels, loadKernels } from '../testing/load-kernels.ts'
import { programBackend } from '../testing/program-backend.ts'
import { runModel } from '../testing/run-model.ts'

type Attributes = Parameters<GraphBuilder['op']>[2]

interface Case {
  readonly build: (g: GraphBuilder, x: Value) => Value
  readonly shape?: Shape
  readonly dtype?: DType
  readonly opset?: number
  /** Values of the input; default normal. */
  readonly values?: (index: number) => number
}

const image: Shape = [2, 5, 9, 8]

/** One node on the input, as often as there are attributes to try. */
function each(opType: string, variants: Readonly<Record<string, Attributes>>, shape = image): Record<string, Case> {
  const cases = Object.entries(variants).map(([name, attributes]): [string, Case] => [
    `${opType} ${name}`,
    { shape, opset: 19, build: (g, x) => g.op(opType, [x], attributes) },
  ])
  return Object.fromEntries(cases)
}

const unary = (opTypes: string, options: Omit<Case, 'build'> = {}): Record<string, Case> =>
  Object.fromEntries(
    opTypes
      .split(' ')
      .map((opType): [string, Case] => [opType, { opset: 22, ...options, build: (g, x) => g.op(opType, [x]) }]),
  )

const sizes = (g: GraphBuilder, x: Value, shape: readonly number[], attributes: Attributes) =>
  g.op('Resize', [x, undefined, undefined, g.int64('sizes', shape)], attributes)

const scales = (g: GraphBuilder, x: Value, factors: readonly number[], attributes: Attributes) =>
  g.op(
    'Resize',
    [x, undefined, g.constant('scales', new Tensor('float32', [factors.length], Float32Array.from(factors)))],
    attributes,
  )

const resizes = Object.fromEntries(
  ['half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'].flatMap((coordinates) =>
    ['nearest', 'linear', 'cubic'].map((mode): [string, Case] => [
      `Resize ${mode} ${coordinates}`,
      {
        shape: image,
        build: (g, x) => sizes(g, x, [2, 5, 13, 4], { mode, coordinate_transformation_mode: coordinates }),
      },
    ]),
  ),
)

const reductions = Object.fromEntries(
  ['ReduceProd', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMin'].flatMap(
    (opType) =>
      [[1], [0, 2], [-1], []].map((axes): [string, Case] => [
        `${opType} of [${axes}]`,
        {
          shape: [3, 4, 5],
          values: (index) => 0.5 + (index % 7) / 5,
          build: (g, x) =>
            g.op(opType, [x, ...(axes.length > 0 ? [g.int64('axes', axes)] : [])], { keepdims: axes.length % 2 }),
        },
      ]),
  ),
)

const normalizations: Record<string, Case> = {
  InstanceNormalization: {
    shape: image,
    build: (g, x) => g.op('InstanceNormalization', [x, g.weights('scale', [5], 1), g.weights('bias', [5], 1)]),
  },
  'GroupNormalization per channel': {
    shape: [2, 6, 4, 3],
    opset: 21,
    build: (g, x) =>
      g.op('GroupNormalization', [x, g.weights('scale', [6], 1), g.weights('bias', [6], 1)], { num_groups: 3 }),
  },
  'BatchNormalization of channels': {
    shape: image,
    build: (g, x) =>
      g.op('BatchNormalization', [
        g.op('Relu', [x]),
        ...['scale', 'bias', 'mean'].map((name) => g.weights(name, [5], 1)),
        g.constant('variance', new Tensor('float32', [5], Float32Array.of(0.5, 1, 2, 3, 4))),
      ]),
  },
  'LayerNormalization of two axes': {
    shape: [2, 3, 4, 5],
    build: (g, x) =>
      g.op('LayerNormalization', [x, g.weights('scale', [4, 5], 1), g.weights('bias', [4, 5], 1)], { axis: -2 }),
  },
  'Softmax before opset 13': { shape: [2, 3, 4], opset: 11, build: (g, x) => g.op('Softmax', [x], { axis: 1 }) },
}

const paddings = Object.fromEntries(
  ['constant', 'reflect', 'edge', 'wrap'].map((mode): [string, Case] => [
    `Pad ${mode}`,
    {
      shape: image,
      opset: 19,
      build: (g, x) => g.op('Pad', [x, g.int64('pads', [0, 1, 2, 3, 0, 0, 1, 2])], { mode }),
    },
  ]),
)

const selections: Record<string, Case> = {
  'Pad with negative pads': {
    shape: image,
    build: (g, x) => g.op('Pad', [x, g.int64('pads', [0, 0, -2, 1, 0, 1, 3, -4]), g.scalar('value', 'float32', 2.5)]),
  },
  'ScatterElements along an axis': {
    shape: [4, 5],
    build: (g, x) =>
      g.op('ScatterElements', [x, g.int64('indices', [3, -1, 0, 2], [2, 2]), g.weights('updates', [2, 2], 1)], {
        axis: 1,
      }),
  },
  ScatterND: {
    shape: [4, 5, 2],
    build: (g, x) => g.op('ScatterND', [x, g.int64('indices', [0, 1, -1, 3], [2, 2]), g.weights('updates', [2, 2], 1)]),
  },
  'Gather of one index': {
    shape: [4, 5, 2],
    build: (g, x) => g.op('Gather', [x, g.int64('index', [-2], [])], { axis: 1 }),
  },
  Squeeze: { shape: [1, 4, 1], build: (g, x) => g.op('Relu', [g.op('Squeeze', [x, g.int64('axes', [-1])])]) },
  DequantizeLinear: {
    shape: [3, 4, 5],
    build: (g, x) => {
      const scale = g.constant('scale', new Tensor('float32', [4], Float32Array.of(0.1, 0.2, 0.05, 0.3)))
      const zero = g.constant('zero', new Tensor('uint8', [4], Uint8Array.of(128, 3, 0, 255)))
      return g.op('DequantizeLinear', [g.op('QuantizeLinear', [x, scale, zero]), scale, zero])
    },
  },
  'Upsample by scales': {
    shape: [1, 2, 3, 4],
    opset: 9,
    build: (g, x) =>
      g.op('Upsample', [x, g.constant('scales', new Tensor('float32', [4], Float32Array.of(1, 1, 2, 3)))], {
        mode: 'linear',
      }),
  },
  'Resize by uneven scales': {
    shape: image,
    build: (g, x) => scales(g, x, [1, 1, 0.6, 1.7], { mode: 'linear' }),
  },
  'Resize with antialias': {
    shape: image,
    opset: 18,
    build: (g, x) => sizes(g, x, [2, 5, 4, 3], { mode: 'linear', antialias: 1 }),
  },
  'Bitwise operators and shifts': {
    shape: [4, 5],
    dtype: 'int32',
    opset: 18,
    values: (index) => index * 77 - 500,
    build: (g, x) => {
      const mask = g.constant('mask', new Tensor('int32', [5], Int32Array.of(1, 2, 255, -1, 77)))
      return g.op('BitwiseXor', [g.op('BitwiseAnd', [x, mask]), g.op('BitwiseNot', [g.op('BitwiseOr', [x, mask])])])
    },
  },
  'uint8 that overflows': {
    shape: [4, 64],
    dtype: 'uint8',
    values: (index) => index % 256,
    build: (g, x) => g.op('Div', [g.op('Add', [g.op('Mul', [x, x]), x]), g.scalar('three', 'uint8', 3)]),
  },
  'IsNaN and IsInf': {
    shape: [6],
    values: (index) => [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 1, -1][index]!,
    build: (g, x) => g.op('Or', [g.op('IsNaN', [x]), g.op('IsInf', [x], { detect_negative: 0 })]),
  },
  'com.microsoft:Gelu': {
    shape: [3, 8],
    build: (g, x) => contrib(g, 'BiasGelu', [contrib(g, 'Gelu', [x]), g.weights('bias', [8], 1)]),
  },
  'com.microsoft:FastGelu': {
    shape: [3, 8],
    build: (g, x) => contrib(g, 'QuickGelu', [contrib(g, 'FastGelu', [x, g.weights('bias', [8], 1)])]),
  },
  'com.microsoft:SkipLayerNormalization': {
    shape: [2, 3, 8],
    build: (g, x) => {
      const inputs = [x, g.op('Exp', [x]), g.weights('scale', [8], 1), g.weights('bias', [8], 1)]
      return contrib(g, 'SkipLayerNormalization', inputs)
    },
  },
}

function contrib(g: GraphBuilder, opType: string, inputs: Value[]): Value {
  g.graph.model.opsetImports.set('com.microsoft', 1)
  return g.graph.addNode({ opType, domain: 'com.microsoft', name: opType, inputs }).outputs[0]!
}

const pools: Record<string, Case> = {
  ...each('MaxPool', {
    'with padding': { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1] },
    'with dilation': { kernel_shape: [2, 3], dilations: [3, 2] },
    'rounding up': { kernel_shape: [3, 3], strides: [2, 3], ceil_mode: 1 },
    'of the same size': { kernel_shape: [3, 4], auto_pad: 'SAME_LOWER' },
  }),
  ...each('AveragePool', {
    'without padding': { kernel_shape: [3, 3], strides: [2, 2] },
    'that leaves padding out': { kernel_shape: [3, 2], pads: [1, 1, 1, 0] },
    'that counts padding': { kernel_shape: [3, 2], pads: [1, 1, 1, 0], count_include_pad: 1 },
    'of the same size': { kernel_shape: [3, 4], strides: [2, 2], auto_pad: 'SAME_UPPER' },
  }),
  ...each('MaxPool', { 'of lines': { kernel_shape: [3], strides: [2] } }, [2, 3, 11]),
  ...each('MaxPool', { 'of volumes': { kernel_shape: [2, 3, 2] } }, [1, 3, 4, 5, 6]),
  ...each('GlobalAveragePool', { 'of images': {} }),
  ...each('GlobalMaxPool', { 'of images': {} }),
}

const cases: Readonly<Record<string, Case>> = {
  ...unary('Sin Tan Atan Sinh Cosh Asinh Softplus Softsign Mish Selu Gelu HardSigmoid HardSwish', { shape: [3, 40] }),
  ...unary('Asin Acos Atanh', { shape: [3, 40], values: (index) => index / 60 - 0.99 }),
  ...unary('Acosh', { shape: [3, 40], values: (index) => 1 + index / 10 }),
  ...each('ThresholdedRelu', { '': { alpha: float(0.5) } }),
  ...each('Selu', { 'with parameters': { alpha: float(2), gamma: float(0.5) } }),
  ...pools,
  ...resizes,
  ...reductions,
  ...normalizations,
  ...paddings,
  ...selections,
}

const missing = simulatorUnavailable()

function inputOf({ shape = image, dtype = 'float32', values }: Case): Tensor {
  const x = Tensor.zeros(dtype, shape)
  if (!values) createRandom(3).normals(x.data as Float32Array, 1)
  else for (let i = 0; i < x.size; i++) x.data[i] = values(i)
  return x
}

describe.skipIf(missing)(`rules${missing ? ` (${missing})` : ''}`, () => {
  const cpu = createCpuBackend()
  let kernels: LoadedKernels

  beforeAll(async () => {
    kernels = await loadKernels()
  }, 300_000)

  it.each(Object.entries(cases))('compute what the CPU backend computes: %s', async (_, one) => {
    const x = inputOf(one)
    const g = new GraphBuilder('rule', { opset: one.opset ?? 18 })
    const y = one.build(g, g.input('x', x.dtype, x.shape))
    g.graph.addOutput(y, { elementType: undefined, shape: undefined })
    inferTypes(g.graph)
    const model = onnxFromGraph(g.graph)
    const backend = programBackend({ ...kernels, host: cpu, lower: { hostFallback: 'error' } })
    const [expected] = Object.values(await runModel(model, { x }, cpu))
    const [actual] = Object.values(await runModel(model, { x }, backend))
    expect([actual!.dtype, actual!.shape]).toEqual([expected!.dtype, expected!.shape])
    if (actual!.dtype === 'float32') expect(relativeError(actual!, expected!)).toBeLessThan(1e-5)
    else expect(actual!.bytes).toEqual(expected!.bytes)
  })
})
