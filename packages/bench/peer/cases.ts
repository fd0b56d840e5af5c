import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type ImageTransform, Tensor } from '@lowlat/core'
import { createImageDecoder, type ImageOptions, imagenet, mobilenet, squeezenetCaffe, yolox } from '@lowlat/preprocess'
import { testDataPath } from '@lowlat/testing'
import { labelledFiles } from '../src/accuracy/labelled-files.ts'
import type { Truth } from '../src/metrics/mean-average-precision.ts'
import { truthsFromYolo } from '../src/metrics/yolo-labels.ts'

export interface LabelledFeeds {
  readonly tensor: Tensor
  readonly label: number
}

export interface DetectionFeeds {
  readonly tensor: Tensor
  readonly transform: ImageTransform
  readonly truths: readonly Truth[]
}

/**
 * A model, what it is calibrated with, and what it is evaluated on, in float and quantized alike: no picture is in both.
 * A detector's calibration pictures come with what is on them, since what it may lose is measured on these.
 */
export type Case = { readonly model: string } & (
  | {
      readonly kind: 'classifier'
      readonly calibration: readonly Tensor[]
      readonly evaluation: readonly LabelledFeeds[]
    }
  | {
      readonly kind: 'detector'
      readonly calibration: readonly DetectionFeeds[]
      readonly evaluation: readonly DetectionFeeds[]
    }
)

const model = (name: string) => testDataPath(`models/${name}.fp32.onnx`)

export const cases: Readonly<Record<string, () => Promise<Case>>> = {
  mobilenet_v2: () => imagenetCase('mobilenet_v2', { ...mobilenet, resize: [224, 224] }, 1),
  mobilenet_v1_025: () => imagenetCase('mobilenet_v1_025_128', { ...mobilenet, resize: [128, 128] }, 1),
  squeezenet: () => imagenetCase('squeezenet_v1.1', { ...squeezenetCaffe, resize: 256, crop: 227 }, 0),
  yolox_nano: detectorCase,
  resnet20: () =>
    cifarCase('resnet20_cifar10', (value, channel) => (value / 255 - imagenet.mean[channel]!) / imagenet.std[channel]!),
  resnet8: () => cifarCase('resnet8_cifar10', (value) => value),
  mnist: mnistCase,
}

async function imagenetCase(name: string, image: ImageOptions, classOffset: number): Promise<Case> {
  const decoder = createImageDecoder({ ...image, dtype: 'float32' })
  const files = await labelledFiles(testDataPath('imagenet'))
  const calibration: Tensor[] = []
  const evaluation: LabelledFeeds[] = []
  for (const { path } of files.calibration) calibration.push((await decoder.decode(path)).tensor)
  for (const { path, label } of files.evaluation) {
    evaluation.push({ tensor: (await decoder.decode(path)).tensor, label: label + classOffset })
  }
  return { kind: 'classifier', model: model(name), calibration, evaluation }
}

async function detectorCase(): Promise<Case> {
  const decoder = createImageDecoder({ ...yolox, letterbox: 416, autoOrient: false })
  const all: DetectionFeeds[] = []
  const folder = testDataPath('coco/images')
  for (const file of (await readdir(folder)).sort()) {
    const { tensor, transform } = await decoder.decode(join(folder, file))
    const labels = testDataPath(`coco/labels/${file.replace(/\.\w+$/, '.txt')}`)
    const size = { width: transform.sourceWidth, height: transform.sourceHeight }
    // No file: there is nothing to be found.
    const truths = existsSync(labels) ? truthsFromYolo(await readFile(labels, 'utf8'), size) : []
    all.push({ tensor, transform, truths })
  }
  return { kind: 'detector', model: model('yolox_nano'), ...divided(all, isEven) }
}

const SIDE = 32

/** Raw pictures, interleaved RGB; every second one calibrates. */
async function cifarCase(name: string, normalise: (value: number, channel: number) => number): Promise<Case> {
  const [, ...rows] = (await readFile(testDataPath('cifar10/labels.tsv'), 'utf8')).trim().split('\n')
  const all: LabelledFeeds[] = []
  for (const row of rows) {
    const [file, label] = row.split('\t')
    const pixels = await readFile(testDataPath(`cifar10/${file}`))
    const area = SIDE * SIDE
    const data = Float32Array.from(pixels, (_, i) =>
      normalise(pixels[(i % area) * 3 + Math.floor(i / area)]!, Math.floor(i / area)),
    )
    all.push({ tensor: new Tensor('float32', [1, 3, SIDE, SIDE], data), label: Number(label) })
  }
  return { kind: 'classifier', model: model(name), ...withoutLabels(divided(all, isEven)) }
}

const DIGIT = 28
const IMAGES_HEADER = 16
const LABELS_HEADER = 8
const MNIST_CALIBRATION = 100

async function mnistCase(): Promise<Case> {
  const images = gunzipSync(await readFile(testDataPath('mnist/t10k-images-idx3-ubyte.gz'))).subarray(IMAGES_HEADER)
  const labels = gunzipSync(await readFile(testDataPath('mnist/t10k-labels-idx1-ubyte.gz'))).subarray(LABELS_HEADER)
  const size = DIGIT * DIGIT
  const all = Array.from(labels, (label, index): LabelledFeeds => {
    const data = Float32Array.from(images.subarray(index * size, (index + 1) * size))
    return { tensor: new Tensor('float32', [1, 1, DIGIT, DIGIT], data), label }
  })
  return {
    kind: 'classifier',
    model: model('mnist'),
    ...withoutLabels(divided(all, (index) => index < MNIST_CALIBRATION)),
  }
}

interface Divided<T> {
  readonly calibration: readonly T[]
  readonly evaluation: readonly T[]
}

const isEven = (index: number) => index % 2 === 0

function divided<T>(all: readonly T[], calibrates: (index: number) => boolean): Divided<T> {
  return {
    calibration: all.filter((_, index) => calibrates(index)),
    evaluation: all.filter((_, index) => !calibrates(index)),
  }
}

function withoutLabels({ calibration, evaluation }: Divided<LabelledFeeds>) {
  return { calibration: calibration.map(({ tensor }) => tensor), evaluation }
}
