import { createBackend } from '@lowlat/backend-cpu'
import { type Feeds, isLowlatError, Tensor } from '@lowlat/core'
import { createRandom, type Graph, GraphBuilder, onnxFromGraph, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { conv, gemm } from '../testing/networks.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { QuantizedBuilder } from '../testing/quantized-models.ts'
import { importQuantized } from './import-quantized.ts'
import { textFromImport } from './report.ts'

const plain = new PlainQuantizer(createBackend())
const random = createRandom(11)
const image: Feeds = { image: new Tensor('float32', [2, 3, 8, 8], random.normals(new Float32Array(2 * 3 * 64), 1)) }

/** The largest difference between what two models compute, in units of `step`. */
async function stepsBetween(a: Graph, b: Graph, step: number, feeds = image): Promise<number> {
  const outputs = []
  for (const graph of [a, b]) {
    await using session = await plain.open(graph)
    const [output] = Object.values(await session.run(feeds))
    outputs.push(output!.toFloat32())
  }
  const [expected, received] = outputs
  expect(expected!.some((value) => value !== 0)).toBe(true)
  return expected!.reduce((most, value, i) => Math.max(most, Math.abs(value - received![i]!) / step), 0)
}

/** Every operator of the file that lies between the first QuantizeLinear and the last DequantizeLinear is one of integers. */
async function expectIntegerThroughout(graph: Graph) {
  const operators = [...(await plain.operatorsRun(graph, image)).keys()]
  expect(operators.filter((name) => ['Conv', 'Gemm', 'MatMul', 'Add', 'Relu', 'FusedConv'].includes(name))).toEqual([])
}

const attributes = { pads: [1, 1, 1, 1] }

/** As torch.onnx writes FX models: integer weights per channel, constants as nodes, biases computed into int32. */
function torchFx() {
  const g = new QuantizedBuilder({ opset: 13 })
  const layer = (name: string, x: Value, inputScale: number, channels: number, kernel: number, inputs: number) =>
    g.scope(name, () => {
      const shape = [channels, inputs, kernel, kernel]
      const weight = g.randomIntegers('weight', 'int8', shape, -127, 127)
      const scale = g.floats(
        'scale',
        Array.from({ length: channels }, (_, i) => 0.002 + 0.0005 * i),
      )
      const zeroPoint = g.integers('zeroPoint', 'int8', [channels], new Array(channels).fill(0))
      const real = g.op('DequantizeLinear', [weight, scale, zeroPoint], { axis: 0 })
      const step = g.op('Mul', [scale, g.op('Constant', [], { value: scalar(inputScale) })])
      const bias = g.op('Cast', [g.op('Div', [g.weights('bias', [channels], 0.2), step])], { to: 6 })
      const none = g.op('ConstantOfShape', [g.op('Shape', [step])], {
        value: new Tensor('int32', [1], new Int32Array(1)),
      })
      return g.op(
        'Conv',
        [x, real, g.op('DequantizeLinear', [bias, step, none], { axis: 0 })],
        kernel === 3 ? attributes : {},
      )
    })
  const x = g.fake(g.input('image', 'float32', ['batch', 3, 8, 8]), 0.02, 128, 'uint8')
  const first = g.fake(g.op('Relu', [layer('a', x, 0.02, 8, 3, 3)]), 0.02, 0, 'uint8')
  const second = g.fake(layer('b', first, 0.02, 8, 1, 8), 0.03, 120, 'uint8')
  const sum = g.fake(g.op('Relu', [g.op('Add', [first, second])]), 0.02, 0, 'uint8')
  g.output('y', sum, 'float32', ['batch', 8, 8, 8])
  return g.graph
}

/** As pytorch-quantization and ModelOpt export: Q/DQ around float weights, scales of one element, float biases. */
function modelOpt() {
  const g = new QuantizedBuilder({ opset: 13 })
  const fake = (value: Value, scale: number) => {
    const parameters = [g.floats('scale', [scale]), g.integers('zeroPoint', 'int8', [1], [0])]
    return g.op('DequantizeLinear', [g.op('QuantizeLinear', [value, ...parameters]), ...parameters])
  }
  const layer = (name: string, x: Value, scale: number, inputs: number) =>
    g.scope(name, () => {
      const weight = g.fakeWeight(g.weights('weight', [8, inputs, 3, 3], 0.2), 0)
      return g.op('Relu', [g.op('Conv', [fake(x, scale), weight, g.weights('bias', [8], 0.1)], attributes)])
    })
  const first = layer('a', g.input('image', 'float32', ['batch', 3, 8, 8]), 0.02, 3)
  const second = layer('b', first, 0.02, 8)
  const sum = g.op('Relu', [g.op('Add', [fake(first, 0.02), fake(second, 0.02)])])
  const pooled = g.op('Flatten', [g.op('GlobalAveragePool', [fake(sum, 0.03)])])
  const transposed = g.op('Transpose', [g.fakeWeight(g.weights('fc.weight', [5, 8], 0.3), 0)], { perm: [1, 0] })
  g.output('y', g.op('MatMul', [fake(pooled, 0.01), transposed]), 'float32', ['batch', 5])
  return g.graph
}

/** As TFLite models are converted: uint8 with any zero point, one scale per tensor, rectifiers left to saturation. */
function tflite(weightZeroPoint: number, weights: readonly [number, number], zeroPoints = [127, 0, 131]) {
  const g = new QuantizedBuilder({ opset: 13 })
  const layer = (name: string, x: Value, inputScale: number, inputs: number) =>
    g.scope(name, () => {
      const weight = g.op('DequantizeLinear', [
        g.randomIntegers('weight', 'uint8', [8, inputs, 3, 3], ...weights),
        g.scalar('scale', 'float32', 0.004),
        g.scalar('zeroPoint', 'uint8', weightZeroPoint),
      ])
      const bias = g.op('DequantizeLinear', [
        g.integers('bias', 'int32', [8], [500, -200, 0, 100, 90, 80, -70, 60]),
        g.scalar('bias.scale', 'float32', Math.fround(inputScale * 0.004)),
        g.scalar('bias.zeroPoint', 'int32', 0),
      ])
      return g.op('Conv', [x, weight, bias], attributes)
    })
  const x = g.fake(g.input('image', 'float32', ['batch', 3, 8, 8]), 0.02, zeroPoints[0]!, 'uint8')
  const first = g.fake(layer('a', x, 0.02, 3), 0.02, zeroPoints[1]!, 'uint8')
  const second = g.fake(layer('b', first, 0.02, 8), 0.03, zeroPoints[2]!, 'uint8')
  g.output('y', second, 'float32', ['batch', 8, 8, 8])
  return g.graph
}

/** As ONNX Runtime's tool writes QOperator models. */
function integerOperators() {
  const g = new QuantizedBuilder({ opset: 13 })
  const microsoft = (opType: string, inputs: Value[], more: Record<string, number> = {}) => {
    const value = g.op(opType, inputs, more)
    value.producer!.domain = 'com.microsoft'
    return value
  }
  const parameters = (scale: number, zeroPoint: number) => [
    g.scalar('scale', 'float32', scale),
    g.scalar('zeroPoint', 'uint8', zeroPoint),
  ]
  const layer = (name: string, x: Value, from: Value[], to: Value[], inputs: number) =>
    g.scope(name, () => {
      const weight = g.randomIntegers('weight', 'int8', [8, inputs, 3, 3], -127, 127)
      const scale = g.floats(
        'weight.scale',
        Array.from({ length: 8 }, (_, i) => 0.002 + 0.0003 * i),
      )
      const zero = g.integers('weight.zeroPoint', 'int8', [8], new Array(8).fill(0))
      const bias = g.integers('bias', 'int32', [8], [900, -700, 0, 100, 90, 80, -70, 60])
      return g.op('QLinearConv', [x, ...from, weight, scale, zero, ...to, bias], attributes)
    })
  const [p0, p1, p2] = [parameters(0.02, 128), parameters(0.03, 0), parameters(0.04, 110)]
  const x = g.op('QuantizeLinear', [g.input('image', 'float32', ['batch', 3, 8, 8]), ...p0])
  const first = g.op('MaxPool', [layer('a', x, p0, p1, 3)], { kernel_shape: [2, 2], strides: [2, 2] })
  const second = layer('b', first, p1, p2, 8)
  const sum = microsoft('QLinearAdd', [first, ...p1, second, ...p2, ...p1])
  const joined = microsoft('QLinearConcat', [...p1, sum, ...p1, second, ...p2], { axis: 1 })
  const active = microsoft('QLinearSigmoid', [joined, ...p1, ...parameters(1 / 256, 0)])
  const pooled = microsoft('QLinearGlobalAveragePool', [active, ...parameters(1 / 256, 0), ...parameters(1 / 256, 0)])
  const flat = g.op('Flatten', [pooled])
  const weight = g.randomIntegers('fc.weight', 'int8', [16, 5], -127, 127)
  const weightParameters = [g.scalar('fc.scale', 'float32', 0.01), g.scalar('fc.zeroPoint', 'int8', 0)]
  const bias = g.integers('fc.bias', 'int32', [5], [1000, -1000, 500, 0, 20])
  const to = parameters(0.02, 128)
  const y = microsoft('QGemm', [flat, ...parameters(1 / 256, 0), weight, ...weightParameters, bias, ...to])
  g.output('y', g.op('DequantizeLinear', [y, ...to]), 'float32', ['batch', 5])
  return g.graph
}

const scalar = (value: number) => new Tensor('float32', [], Float32Array.of(value))

describe('importQuantized', () => {
  it('reads models of torch.onnx: biases that the graph computes, constants that are nodes', async () => {
    const source = torchFx()
    const { graph, report } = importQuantized(source)
    expect(report).toMatchObject({
      style: 'integer-weights',
      activationTypes: ['uint8', 'uint8 symmetric'],
      weightTypes: ['int8 symmetric'],
      perChannel: 1,
      layers: 2,
      floatLayers: [],
      rounded: [],
    })
    expect(await stepsBetween(source, graph, 0.02)).toBeLessThan(1.01)
    await expectIntegerThroughout(graph)
  })

  it('reads models of ModelOpt, and lets their rectifiers clip integers on the CPU', async () => {
    const source = modelOpt()
    const { graph, report } = importQuantized(source)
    expect(report).toMatchObject({
      style: 'float-weights',
      activationTypes: ['int8 symmetric'],
      weightTypes: ['int8 symmetric'],
      perChannel: 1,
      layers: 3,
      floatLayers: [],
    })
    // Two layers and a sum, each of which may round one step the other way.
    expect(await stepsBetween(source, graph, 0.03)).toBeLessThan(1.5)
    await expectIntegerThroughout(graph)
    const operators = await plain.operatorsRun(graph, image)
    expect(operators.get('QLinearConv')).toBe(2)
    expect(operators.get('QLinearAdd')).toBe(1)
  })

  it('reports the biases that it rounded to int32, by how much, and none that are exact', async () => {
    // Steps of the sums are 0.02 * 0.004; the second bias is stored on a scale of its own.
    const step = Math.fround(0.02 * 0.004)
    const model = (values: number[], ownScale: number) => {
      const g = new QuantizedBuilder({ opset: 13 })
      const layer = (x: Value, channels: number, bias: Value) => {
        const integers = g.randomIntegers('weight', 'int8', [2, channels, 3, 3], -127, 127)
        const scales = [g.scalar('scale', 'float32', 0.004), g.scalar('zeroPoint', 'int8', 0)]
        return g.op('Conv', [x, g.op('DequantizeLinear', [integers, ...scales]), bias], attributes)
      }
      const x = g.fake(g.input('image', 'float32', ['batch', 3, 8, 8]), 0.02, 128, 'uint8')
      const first = g.fake(layer(x, 3, g.floats('float', values)), 0.02, 128, 'uint8')
      const integers = g.integers('integers', 'int32', [2], [3, -5])
      const own = g.op('DequantizeLinear', [integers, g.scalar('own', 'float32', ownScale)])
      g.output('y', layer(first, 2, own), 'float32', ['batch', 2, 8, 8])
      return g.graph
    }
    expect(importQuantized(model([7 * step, -9 * step], 4 * step)).report.rounded).toEqual([])

    const source = model([7.25 * step, -9 * step], 0.5 * step)
    const { graph, report } = importQuantized(source)
    expect(report.rounded).toEqual([
      {
        kind: 'bias',
        value: 'float',
        from: 'float32',
        worstError: expect.closeTo(0.25 * step, 9),
        step: Math.fround(0.02),
      },
      {
        kind: 'bias',
        value: 'integers',
        from: 'int32 of another scale',
        worstError: expect.closeTo(0.5 * step, 9),
        step: undefined,
      },
    ])
    expect(textFromImport(report)).toContain(
      'rounded: bias float (float32): by up to 0.0000200, 0.0010 steps of the output',
    )
    expect(textFromImport(report)).toMatch(/bias integers \(int32 of another scale\): by up to 0\.0000400$/m)
    expect(importQuantized(source, { target: 'trt' }).report.rounded).toEqual([])
    const bias = (name: string) =>
      graph.nodes.find(({ inputs }) => inputs[0]?.name.startsWith(`${name}`) && inputs[0].elementType === 'int32')
    expect(bias('float')!.inputs[0]!.initializer!.tensor.data).toEqual(Int32Array.of(7, -9))
  })

  it('folds BatchNormalization that training left behind a layer into scales and bias', async () => {
    const g = new QuantizedBuilder({ opset: 13 })
    const x = g.fake(g.input('image', 'float32', ['batch', 3, 8, 8]), 0.02, 0, 'int8')
    const product = g.op('Conv', [x, g.fakeWeight(g.weights('weight', [4, 3, 3, 3], 0.2), 0)], attributes)
    const statistics = [
      [1, -0.5, 0, 2],
      [0.1, 0.2, 0.3, -0.1],
      [0.5, -0.5, 0.2, 0],
      [1, 2, 0.5, 0.1],
    ]
    const normalized = g.op('BatchNormalization', [
      product,
      ...statistics.map((values) => g.floats('statistic', values)),
    ])
    g.output('y', g.fake(g.op('Relu', [normalized]), 0.02, 0, 'int8'), 'float32', ['batch', 4, 8, 8])
    const { graph, report } = importQuantized(g.graph)
    expect(graph.nodes.map((node) => node.opType)).not.toContain('BatchNormalization')
    expect(report.floatLayers).toEqual([])
    expect(await stepsBetween(g.graph, graph, 0.02)).toBeLessThan(1.01)
    await expectIntegerThroughout(graph)
  })

  it('keeps models of ModelOpt as they are for TensorRT: float biases, rectifiers in front of Q/DQ', async () => {
    const source = modelOpt()
    const { graph, report } = importQuantized(source, { target: 'trt' })
    expect(report.rounded).toEqual([])
    expect(await stepsBetween(source, graph, 0.03)).toBeLessThan(1.5)
    const operators = graph.nodes.map((node) => node.opType)
    expect(operators.filter((name) => name === 'Relu')).toHaveLength(3)
    expect(integerTypes(graph)).toEqual(new Set(['int8']))
  })

  it('moves weights of TFLite to int8 on the CPU, exactly', async () => {
    const source = tflite(140, [0, 255])
    const { graph, report } = importQuantized(source)
    expect(report).toMatchObject({ weightTypes: ['uint8'], perChannel: 0, floatLayers: [], rounded: [] })
    expect(await stepsBetween(source, graph, 0.03)).toBeLessThan(1.01)
    await expectIntegerThroughout(graph)
    expect(integerTypes(graph)).toEqual(new Set(['uint8', 'int8', 'int32']))
  })

  it('says what a symmetric target cannot represent, and what to do', () => {
    const attempt = () => importQuantized(tflite(140, [0, 255]), { target: 'trt' })
    expect(attempt).toThrow(
      expect.toSatisfy(
        (error) =>
          isLowlatError(error, 'QUANTIZATION_INEXACT') &&
          /activation 'image' \(uint8, zero point 127\).*weight .b.weight. .*allowRounding/.test(error.message),
      ),
    )
  })

  it('rounds for a symmetric target when asked to, keeps what saturation did, and reports the worst error', async () => {
    const source = tflite(140, [0, 255])
    const { graph, report } = importQuantized(source, { target: 'cuda', allowRounding: true })
    expect(integerTypes(graph)).toEqual(new Set(['int8']))
    expect(report.rounded.map(({ kind, from }) => `${kind}: ${from}`)).toEqual([
      'activation: uint8, zero point 127',
      'activation: uint8, zero point 0',
      'activation: uint8, zero point 131',
      'weight: uint8, zero point 140',
      'weight: uint8, zero point 140',
    ])
    for (const { worstError, step } of report.rounded) {
      expect(worstError).toBeGreaterThan(0)
      // Half the levels at most: one step of the old grid.
      expect(worstError).toBeLessThanOrEqual(step! * 1.01)
    }
    expect(graph.nodes.filter((node) => node.opType === 'Relu')).toHaveLength(1)
    expect(await stepsBetween(source, graph, 0.03)).toBeLessThan(8)
    expect(textFromImport(report)).toContain('rounded: weight')
  })

  it('translates uint8 around 128 to int8 exactly, also weights that happen to fit', async () => {
    const source = tflite(120, [0, 247], [128, 128, 128])
    const { graph, report } = importQuantized(source, { target: 'trt' })
    expect(report.rounded).toEqual([])
    expect(integerTypes(graph)).toEqual(new Set(['int8']))
    expect(await stepsBetween(source, graph, 0.03)).toBeLessThan(1.01)
  })

  it('expands integer operators, and what moves integers in between', async () => {
    const source = integerOperators()
    const { graph, report } = importQuantized(source)
    expect(report).toMatchObject({
      style: 'integer-operators',
      layers: 3,
      floatLayers: [],
      otherOperators: [],
      rounded: [],
    })
    expect(graph.nodes.map((node) => node.domain)).toEqual(graph.nodes.map(() => ''))
    expect(await stepsBetween(source, graph, 0.02)).toBeLessThan(1.01)
    await expectIntegerThroughout(graph)
  })

  it('names the layers that stay in float, and why', () => {
    const g = new QuantizedBuilder()
    const x = g.input('image', 'float32', ['batch', 3, 8, 8])
    const first = conv(g, 'first', x, [3, 8])
    const second = g.op('Conv', [g.fake(first, 0.02, 0, 'int8'), g.fakeWeight(g.weights('w', [4, 8, 1, 1], 0.2), 0)])
    second.producer!.name = 'second'
    g.output('y', gemm(g, 'fc', g.op('Flatten', [second]), [256, 5]), 'float32', ['batch', 5])
    const { floatLayers, layers } = importQuantized(g.graph).report
    expect(layers).toBe(3)
    expect(floatLayers).toEqual([
      { node: 'first.Conv', opType: 'Conv', reason: 'its weight is float' },
      { node: 'second', opType: 'Conv', reason: 'its output is not quantized' },
      { node: 'fc.Gemm', opType: 'Gemm', reason: 'its weight is float' },
    ])
  })

  it('refuses a model that is not quantized, and leaves its source alone', () => {
    const g = new GraphBuilder('float')
    g.output('y', conv(g, 'conv', g.input('image', 'float32', ['batch', 3, 8, 8]), [3, 4]), 'float32', [
      'batch',
      4,
      8,
      8,
    ])
    expect(() => importQuantized(g.graph)).toThrow(expect.toSatisfy((e) => isLowlatError(e, 'MODEL_UNSUPPORTED')))
    const source = tflite(140, [0, 255])
    const before = onnxFromGraph(source)
    importQuantized(source)
    importQuantized(source, { target: 'trt', allowRounding: true })
    expect(onnxFromGraph(source)).toEqual(before)
  })
})

/** Types of whatever is dequantized. */
function integerTypes(graph: Graph): Set<unknown> {
  const nodes = graph.nodes.filter((node) => node.opType === 'DequantizeLinear')
  return new Set(nodes.map((node) => node.inputs[2]?.initializer?.elementType))
}
