import { createBackend } from '@lowlat/backend-cpu'
import { type Feeds, Tensor } from '@lowlat/core'
import { createRandom, type Graph, graphFromFile } from '@lowlat/onnx'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { OutputError } from '../measure/output-error.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { importQuantized } from './import-quantized.ts'

const missing = testDataMissing('models/mobilenet_v2.qat-qdq.onnx')
const plain = new PlainQuantizer(createBackend())

/** Noise in the range that the model was trained for. */
function noise(shape: readonly number[], low: number, high: number): Feeds[] {
  const random = createRandom(3)
  const size = shape.reduce((a, b) => a * b, 1)
  return Array.from({ length: 4 }, () => {
    const values = random.normals(new Float32Array(size), (high - low) / 4)
    return {
      input: new Tensor(
        'float32',
        shape,
        values.map((value) => Math.min(high, Math.max(low, value + (low + high) / 2))),
      ),
    }
  })
}

async function errorBetween(a: Graph, b: Graph, samples: readonly Feeds[]) {
  await using first = await plain.open(a)
  await using second = await plain.open(b)
  const error = new OutputError()
  for (const feeds of samples) error.add(await first.run(feeds), await second.run(feeds))
  return error.report
}

describe.skipIf(missing)(`quantized models of others${missing ? ` (${missing})` : ''}`, () => {
  it.each([
    { file: 'mobilenet_v2.qat-qdq.onnx', shape: [1, 3, 224, 224], layers: 53, sums: 10, low: -1, high: 1 },
    { file: 'mobilenet_v1_025_128.qat-qdq.onnx', shape: [1, 3, 128, 128], layers: 28, sums: 0, low: -1, high: 1 },
    // int8 activations, of which ONNX Runtime takes a third of the layers only: it leaves the rectifiers in between.
    { file: 'resnet8_cifar10.ptq-qdq.onnx', shape: [1, 3, 32, 32], layers: 9, sums: 3, low: 0, high: 255 },
  ])('$file is integer throughout, and computes the same', async ({ file, shape, layers, sums, low, high }) => {
    const source = await graphFromFile(testDataPath(`models/${file}`))
    const { graph, report } = importQuantized(source)
    expect(report).toMatchObject({ style: 'integer-weights', floatLayers: [], otherOperators: [], rounded: [] })
    const samples = noise(shape, low, high)
    const operators = await plain.operatorsRun(graph, samples[0]!)
    expect(operators.get('QLinearConv')).toBe(layers)
    expect(operators.get('QLinearAdd') ?? 0).toBe(sums)
    expect([...operators.keys()].filter((name) => ['Conv', 'FusedConv', 'Gemm', 'Add', 'Relu'].includes(name))).toEqual(
      [],
    )
    const error = await errorBetween(source, graph, samples)
    expect(error.agreement).toBe(1)
    expect(error.cosine).toBeGreaterThan(0.999)
  })

  it('MobileNetV2 from training with uint8 stays close when it is rounded for a symmetric target', async () => {
    const source = await graphFromFile(testDataPath('models/mobilenet_v2.qat-qdq.onnx'))
    const samples = noise([1, 3, 224, 224], -1, 1)
    const { graph, report } = importQuantized(source, { target: 'trt', allowRounding: true })
    expect(report.rounded.length).toBeGreaterThan(100)
    for (const { worstError, step } of report.rounded) expect(worstError).toBeLessThanOrEqual(1.01 * step!)
    expect((await errorBetween(source, graph, samples)).cosine).toBeGreaterThan(0.9)
  })
})
