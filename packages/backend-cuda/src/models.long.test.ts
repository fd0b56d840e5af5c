import { readdir, readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { createBackend } from '@lowlat/backend-cpu'
import { type Feeds, type Precision, sizeOf, Tensor } from '@lowlat/core'
import {
  createRandom,
  describeModel,
  type Graph,
  generateModel,
  graphFromOnnx,
  inferTypes,
  onnxFromGraph,
  type Value,
} from '@lowlat/onnx'
import { type Detection, decodeYolox } from '@lowlat/postprocess'
import { createImageDecoder, type ImageOptions, imagenet, mobilenet, squeezenetCaffe, yolox } from '@lowlat/preprocess'
import { quantize } from '@lowlat/quantize'
import { simulatorUnavailable, testDataMissing, testDataPath } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cosineSimilarity, relativeError } from './testing/compare.ts'
import { type LoweredModel, ModelRunner } from './testing/model-runner.ts'
import { quantizedReference } from './testing/quantized-reference.ts'

const noSimulator = simulatorUnavailable()
const missing = noSimulator ?? testDataMissing('models/mnist.fp32.onnx')
const unless = (reason: string | undefined) => (reason ? ` (${reason})` : '')
const minutes = 60_000

let runner: ModelRunner
beforeAll(async () => {
  if (!noSimulator) runner = await ModelRunner.open()
}, 5 * minutes)
afterAll(() => runner?.[Symbol.dispose]())

const load = (name: string): Promise<Uint8Array> => readFile(testDataPath(`models/${name}`))

/** Seeded values for every input: normal floats, and ones and zeros for whole numbers. */
function randomFeeds(model: Uint8Array, sizes: Readonly<Record<string, number>>, scale = 1): Feeds {
  const random = createRandom(11)
  return Object.fromEntries(
    describeModel(model).inputs.map(({ name, dtype, shape }) => {
      const concrete = shape.map((dim) => (typeof dim === 'number' ? dim : sizes[dim]!))
      const count = sizeOf(concrete)
      if (dtype === 'float32') {
        return [name, new Tensor('float32', concrete, random.normals(new Float32Array(count), scale))]
      }
      const whole = BigInt64Array.from({ length: count }, () => BigInt(random.integer(2)))
      return [name, new Tensor('int64', concrete, name === 'sr' ? whole.fill(16_000n) : whole)]
    }),
  )
}

interface Model {
  readonly name: string
  readonly load: () => Uint8Array | Promise<Uint8Array>
  readonly sizes?: Readonly<Record<string, number>>
  /** Standard deviation of random inputs. */
  readonly scale?: number
  /** Whether its largest output is what it says. */
  readonly classifies?: boolean
  /** Whether parts of it have no kernel. */
  readonly hasHost?: boolean
}

const shared = (name: string, more: Partial<Model> = {}): Model => ({ name, load: () => load(`${name}.onnx`), ...more })

const one = { N: 1, batch: 1 }
const floatModels: readonly Model[] = [
  shared('mnist.fp32'),
  shared('mobilenet_v1_025_128.fp32', { sizes: one }),
  shared('mobilenet_v2.fp32', { sizes: one }),
  shared('resnet20_cifar10.fp32', { sizes: { N: 2 } }),
  shared('resnet8_cifar10.fp32', { sizes: { N: 3 }, scale: 60 }),
  shared('silero_vad_16k.fp32', { sizes: { batch: 1, sequence: 512 }, hasHost: true }),
  shared('silero_vad_16k.fp32', { sizes: { batch: 2, sequence: 512 }, hasHost: true }),
  shared('squeezenet_v1.1.fp32', { sizes: one, scale: 60 }),
  shared('ultraface_rfb320.fp32', { scale: 0.5 }),
  shared('ultraface_rfb320_simplified.fp32', { scale: 0.5 }),
  shared('yolox_nano.fp32', { scale: 60 }),
]
const generatedModels: readonly Model[] = [
  { name: 'resnet50', load: () => generateModel('resnet50'), sizes: one, classifies: true },
  { name: 'mobilenet_v2', load: () => generateModel('mobilenet_v2'), sizes: one, classifies: true },
  { name: 'vit_s16', load: () => generateModel('vit_s16'), sizes: one, classifies: true },
  { name: 'bert_base', load: () => generateModel('bert_base'), sizes: { batch: 1, sequence: 16 } },
]

async function compare({ load, sizes = {}, scale, hasHost }: Model, precision: Precision) {
  const model = await load()
  const feeds = randomFeeds(model, sizes, scale)
  const lowered = runner.lower(model, feeds, { precision, hostFallback: hasHost ? 'run' : 'error' })
  const fetches = await runner.run(lowered, feeds)
  await using reference = await runner.openReference(model)
  const expected = await reference.run(feeds)
  expect(Object.keys(fetches).sort()).toEqual(Object.keys(expected).sort())
  return Object.entries(expected).map(([name, tensor]) => ({
    name,
    error: relativeError(fetches[name]!, tensor),
    cosine: cosineSimilarity(fetches[name]!, tensor),
    sameBest: best(fetches[name]!) === best(tensor),
  }))
}

function describeModels(title: string, models: readonly Model[], reason: string | undefined): void {
  describe.skipIf(reason)(`${title}${unless(reason)}`, () => {
    it.each(models)(
      '$name computes in fp32 what the CPU backend does',
      async (model) => {
        for (const { name, error } of await compare(model, 'fp32')) expect(error, name).toBeLessThan(1e-4)
      },
      10 * minutes,
    )

    it.each(models)(
      '$name points the same way in fp16',
      async (model) => {
        for (const { name, cosine, sameBest } of await compare(model, 'fp16')) {
          expect(cosine, name).toBeGreaterThan(0.999)
          if (model.classifies) expect(sameBest, name).toBe(true)
        }
      },
      10 * minutes,
    )
  })
}

describeModels('real models on random values', floatModels, missing)
describeModels('generated models on random values', generatedModels, noSimulator)

interface Pictures {
  readonly model: string
  readonly options: ImageOptions
  readonly count: number
}

const classifiers: readonly Pictures[] = [
  { model: 'mobilenet_v1_025_128', options: { ...mobilenet, resize: [128, 128] }, count: 20 },
  { model: 'mobilenet_v2', options: { ...mobilenet, resize: [224, 224] }, count: 20 },
]

/** Feeds for pictures, one after the other. */
async function* pictures(input: string, { options, count }: Omit<Pictures, 'model'>): AsyncGenerator<Feeds> {
  const decoder = createImageDecoder(options)
  const files = (await readdir(testDataPath('imagenet'))).filter((name) => /\.jpe?g$/i.test(name)).sort()
  for (const file of files.slice(0, count)) {
    const { tensor } = await decoder.decode(testDataPath(`imagenet/${file}`))
    yield { [input]: new Tensor('float32', tensor.shape, tensor.toFloat32()) }
  }
}

/** [1, 3, 32, 32] of CIFAR-10, as bytes or normalised. */
async function* cifarPictures(count: number, options?: typeof imagenet): AsyncGenerator<Feeds> {
  const { mean, std } = options ?? { mean: [0, 0, 0], std: [1, 1, 1] }
  const full = options ? 255 : 1
  const files = (await readdir(testDataPath('cifar10'))).filter((name) => name.endsWith('.bin')).sort()
  for (const file of files.slice(0, count)) {
    const pixels = await readFile(testDataPath(`cifar10/${file}`))
    const image = Float32Array.from({ length: 3 * 32 * 32 }, (_, i) => {
      const channel = Math.floor(i / 1024)
      return (pixels[(i % 1024) * 3 + channel]! / full - mean[channel]!) / std[channel]!
    })
    yield { input: new Tensor('float32', [1, 3, 32, 32], image) }
  }
}

/** [1, 1, 28, 28]: ink in 0..255. */
async function* digits(count: number): AsyncGenerator<Feeds> {
  const header = 16
  const pixels = gunzipSync(await readFile(testDataPath('mnist/t10k-images-idx3-ubyte.gz'))).subarray(header)
  for (let at = 0; at < count; at++) {
    const image = Float32Array.from(pixels.subarray(at * 784, (at + 1) * 784))
    yield { Input3: new Tensor('float32', [1, 1, 28, 28], image) }
  }
}

const best = ({ data }: Tensor): number => {
  const values = data as Float32Array
  return values.reduce((top, value, index) => (value > values[top]! ? index : top), 0)
}

/** Results on the device and the CPU backend for every picture. */
async function* classified(model: Uint8Array, images: AsyncIterable<Feeds>, precision: Precision) {
  await using reference = await runner.openReference(model)
  let lowered: LoweredModel | undefined
  for await (const feeds of images) {
    lowered ??= runner.lower(model, feeds, { precision })
    const [[name, expected]] = Object.entries(await reference.run(feeds)) as [[string, Tensor]]
    yield { actual: (await runner.run(lowered, feeds))[name]!, expected }
  }
}

describe.skipIf(missing)(`classifiers on pictures${unless(missing)}`, () => {
  it.each([
    ...classifiers,
    { model: 'squeezenet_v1.1', options: { ...squeezenetCaffe, resize: 256, crop: 227 }, count: 20 },
  ] as Pictures[])(
    '$model gives the same class in fp16',
    async ({ model, ...images }) => {
      const bytes = await load(`${model}.fp32.onnx`)
      const [input] = describeModel(bytes).inputs
      for await (const { actual, expected } of classified(bytes, pictures(input!.name, images), 'fp16')) {
        expect(best(actual)).toBe(best(expected))
        expect(cosineSimilarity(actual, expected)).toBeGreaterThan(0.999)
      }
    },
    10 * minutes,
  )

  it.each([
    { model: 'resnet20_cifar10', images: () => cifarPictures(20, imagenet) },
    { model: 'resnet8_cifar10', images: () => cifarPictures(20) },
    { model: 'mnist', images: () => digits(20) },
  ])(
    '$model gives the same class in fp16',
    async ({ model, images }) => {
      let count = 0
      for await (const { actual, expected } of classified(await load(`${model}.fp32.onnx`), images(), 'fp16')) {
        expect(best(actual)).toBe(best(expected))
        expect(cosineSimilarity(actual, expected)).toBeGreaterThan(0.999)
        count++
      }
      expect(count).toBe(20)
    },
    10 * minutes,
  )

  it.each(classifiers)(
    '$model with Q/DQ gives the same class',
    async ({ model, ...images }) => {
      let [same, count] = [0, 0]
      const bytes = await load(`${model}.qat-qdq.onnx`)
      const [input] = describeModel(bytes).inputs
      for await (const { actual, expected } of classified(bytes, pictures(input!.name, images), 'model')) {
        if (best(actual) === best(expected)) same++
        count++
        expect(cosineSimilarity(actual, expected)).toBeGreaterThan(0.99)
      }
      expect(count).toBe(images.count)
      // The CPU backend rounds elsewhere: classes that are nearly as probable may change places.
      expect(same).toBeGreaterThanOrEqual(count - 1)
    },
    10 * minutes,
  )
})

/** The integers that the last convolution of a model's trunk gives. */
function lastIntegers(graph: Graph): Value {
  const pool = graph.nodes.find(({ opType }) => opType === 'GlobalAveragePool')!
  return pool.inputs[0]!.producer!.inputs[0]!
}

const quantizedModels = [
  { name: 'resnet8_cifar10.ptq-qdq', images: () => cifarPictures(4) },
  { name: 'mobilenet_v1_025_128.qat-qdq', images: () => pictures('input', { ...classifiers[0]!, count: 2 }) },
  { name: 'mobilenet_v2.qat-qdq', images: () => pictures('input', { ...classifiers[1]!, count: 1 }) },
]

describe.skipIf(missing)(`models with Q/DQ${unless(missing)}`, () => {
  it.each(quantizedModels)(
    '$name computes bit by bit what the definition of integer layers says',
    async (one) => {
      const graph = graphFromOnnx(await load(`${one.name}.onnx`))
      inferTypes(graph)
      const integers = lastIntegers(graph)
      graph.addOutput(integers)
      const model = onnxFromGraph(graph)
      let lowered: LoweredModel | undefined
      for await (const feeds of one.images()) {
        lowered ??= runner.lower(model, feeds)
        const fetches = await runner.run(lowered, feeds)
        const expected = quantizedReference(graph, feeds)
        expect(fetches[integers.name]!.data).toEqual(expected.get(integers)!.data)
        // Averages may lie just between two integers, where the order of a sum decides.
        expect(best(fetches.output!)).toBe(best(expected.get(graph.outputs[0]!)!))
      }
    },
    10 * minutes,
  )
})

describe.skipIf(missing)(`a model that was quantized for this backend${unless(missing)}`, () => {
  it(
    'computes all its layers on integers, bit by bit what the definition says',
    async () => {
      const samples: Feeds[] = []
      for await (const feeds of cifarPictures(6)) samples.push(feeds)
      const options = {
        target: 'cuda',
        method: 'minmax',
        recovery: 'none',
        leastSqnrDb: 'none',
        backend: createBackend(),
      } as const
      const { graph } = await quantize(await load('resnet8_cifar10.fp32.onnx'), { ...options, samples })
      inferTypes(graph)
      const feeds = samples[0]!
      const { program } = runner.lower(onnxFromGraph(graph), feeds)
      const layers = program.steps.filter((step) => /Conv|Gemm/.test(step.kind === 'kernel' ? step.operator : ''))
      expect(layers).toHaveLength(10)
      expect(layers.every((step) => step.kind === 'kernel' && step.precision === 'int8')).toBe(true)
      const integers = lastIntegers(graph)
      graph.addOutput(integers)
      const fetches = await runner.run(runner.lower(onnxFromGraph(graph), feeds), feeds)
      expect(fetches[integers.name]!.data).toEqual(quantizedReference(graph, feeds).get(integers)!.data)
    },
    10 * minutes,
  )
})

describe.skipIf(missing)(`YOLOX-nano on pictures${unless(missing)}`, () => {
  const options = { scoreThreshold: 0.25, iouThreshold: 0.45 }

  it.each(['fp32', 'fp16'] as const)(
    'finds the same boxes in %s',
    async (precision) => {
      const model = await load('yolox_nano.fp32.onnx')
      const decoder = createImageDecoder({ ...yolox, letterbox: 416, autoOrient: false })
      const files = (await readdir(testDataPath('coco/images'))).sort().slice(0, 3)
      await using reference = await runner.openReference(model)
      let lowered: LoweredModel | undefined
      for (const file of files) {
        const { tensor, transform } = await decoder.decode(testDataPath(`coco/images/${file}`))
        const feeds = { images: new Tensor('float32', tensor.shape, tensor.toFloat32()) }
        lowered ??= runner.lower(model, feeds, { precision })
        const [[name, output]] = Object.entries(await reference.run(feeds)) as [[string, Tensor]]
        const actual = (await runner.run(lowered, feeds))[name]!
        const [[found], [expected]] = [actual, output].map((one) => decodeYolox(one, [transform], options)) as [
          [Detection[]],
          [Detection[]],
        ]
        expect(expected!.length).toBeGreaterThan(0)
        expect(found).toHaveLength(expected!.length)
        for (const { box, classIndex } of expected!) {
          const distance = (other: Detection) =>
            Math.max(...(['x1', 'y1', 'x2', 'y2'] as const).map((side) => Math.abs(other.box[side] - box[side])))
          const nearest = found!.filter((other) => other.classIndex === classIndex).map(distance)
          expect(Math.min(...nearest)).toBeLessThan(1)
        }
      }
    },
    10 * minutes,
  )
})
