import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { createBackend } from '@lowlat/backend-cpu'
import { type Feeds, Tensor } from '@lowlat/core'
import { createRandom, type Graph, generateGraph, graphFromFile } from '@lowlat/onnx'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { OutputError } from '../measure/output-error.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { convertToFloat16 } from './convert.ts'

const plain = new PlainQuantizer(createBackend())

async function errorOf(source: Graph, samples: readonly Feeds[]) {
  const { graph } = convertToFloat16(source)
  await using float = await plain.open(source)
  await using half = await plain.open(graph)
  const error = new OutputError()
  for (const feeds of samples) error.add(await float.run(feeds), await half.run(feeds))
  return error.report
}

const random = createRandom(4)
const normals = (shape: readonly number[], deviation: number) =>
  new Tensor('float32', shape, random.normals(new Float32Array(shape.reduce((a, b) => a * b, 1)), deviation))
const whole = (shape: readonly number[], limit: number) =>
  new Tensor(
    'int64',
    shape,
    BigInt64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => BigInt(random.integer(limit))),
  )

const models: readonly { file: string; feeds: () => Feeds }[] = [
  { file: 'mnist.fp32.onnx', feeds: () => ({ Input3: normals([1, 1, 28, 28], 80) }) },
  { file: 'mobilenet_v1_025_128.fp32.onnx', feeds: () => ({ input: normals([1, 3, 128, 128], 0.5) }) },
  { file: 'mobilenet_v2.fp32.onnx', feeds: () => ({ input: normals([1, 3, 224, 224], 0.5) }) },
  { file: 'resnet20_cifar10.fp32.onnx', feeds: () => ({ input: normals([1, 3, 32, 32], 1) }) },
  { file: 'resnet8_cifar10.fp32.onnx', feeds: () => ({ input: normals([1, 3, 32, 32], 100) }) },
  { file: 'resnet8_cifar10.ptq-qdq.onnx', feeds: () => ({ input: normals([1, 3, 32, 32], 100) }) },
  { file: 'squeezenet_v1.1.fp32.onnx', feeds: () => ({ input: normals([1, 3, 227, 227], 60) }) },
  { file: 'ultraface_rfb320.fp32.onnx', feeds: () => ({ input: normals([1, 3, 240, 320], 0.5) }) },
  { file: 'yolox_nano.fp32.onnx', feeds: () => ({ images: normals([1, 3, 416, 416], 100) }) },
  {
    file: 'silero_vad_16k.fp32.onnx',
    feeds: () => ({
      input: normals([1, 512], 0.1),
      state: normals([2, 1, 128], 0.1),
      sr: new Tensor('int64', [], BigInt64Array.of(16_000n)),
    }),
  },
]

const missing = testDataMissing('models')

describe.skipIf(missing)(`real models in float16${missing ? ` (${missing})` : ''}`, () => {
  it.each(models)('$file gives the same', async ({ file, feeds }) => {
    const error = await errorOf(await graphFromFile(testDataPath(`models/${file}`)), [feeds(), feeds()])
    expect(error.cosine).toBeGreaterThanOrEqual(0.999)
  })

  it('reads digits as the float model does', async () => {
    const digits = gunzipSync(await readFile(testDataPath('mnist/t10k-images-idx3-ubyte.gz'))).subarray(16)
    const samples = Array.from({ length: 500 }, (_, i) => {
      const pixels = Float32Array.from(digits.subarray(i * 784, (i + 1) * 784))
      return { Input3: new Tensor('float32', [1, 1, 28, 28], pixels) }
    })
    const error = await errorOf(await graphFromFile(testDataPath('models/mnist.fp32.onnx')), samples)
    expect(error.agreement).toBe(1)
  })
})

describe('generated models in float16', () => {
  it.each([
    { name: 'resnet50', feeds: { input: normals([1, 3, 224, 224], 1) } },
    { name: 'mobilenet_v2', feeds: { input: normals([1, 3, 224, 224], 1) } },
    { name: 'vit_s16', feeds: { input: normals([1, 3, 224, 224], 1) } },
    {
      name: 'bert_base',
      feeds: {
        input_ids: whole([1, 32], 1000),
        attention_mask: new Tensor('int64', [1, 32], new BigInt64Array(32).fill(1n)),
        token_type_ids: whole([1, 32], 2),
      },
    },
  ] as const)('$name gives the same', async ({ name, feeds }) => {
    expect((await errorOf(generateGraph(name), [feeds])).cosine).toBeGreaterThanOrEqual(0.999)
  })
})
