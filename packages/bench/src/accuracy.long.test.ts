import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { createSession, infer, pipeline } from '@lowlat/core'
import { type Detection, detectYolox, topK, type YoloxOptions } from '@lowlat/postprocess'
import { decodeImage, type ImageOptions, mobilenet, readImageHeader, squeezenetCaffe, yolox } from '@lowlat/preprocess'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import {
  type DetectedPicture,
  intersectionOverUnion,
  meanAveragePrecision,
  type Truth,
} from './metrics/mean-average-precision.ts'
import { truthsFromYolo } from './metrics/yolo-labels.ts'

const missing = testDataMissing('imagenet/labels.tsv')
const unless = missing ? ` (${missing})` : ''

interface LabelledImage {
  readonly path: string
  readonly label: number
}

async function evaluationImages(): Promise<LabelledImage[]> {
  const [, ...rows] = (await readFile(testDataPath('imagenet/labels.tsv'), 'utf8')).trim().split('\n')
  return rows
    .map((row) => row.split('\t') as [file: string, label: string, split: string])
    .filter(([, , split]) => split === 'evaluation')
    .map(([file, label]) => ({ path: testDataPath(`imagenet/${file}`), label: Number(label) }))
}

/** Share of pictures, in percent, whose best class is the right one. */
async function top1(model: string, options: ImageOptions, classOffset: number): Promise<number> {
  await using session = await createSession(testDataPath(`models/${model}`), { backend: 'cpu' })
  const classify = pipeline(decodeImage(options)).pipe(infer(session)).pipe(topK(1))
  const images = await evaluationImages()
  let right = 0
  let index = 0
  for await (const [best] of classify.stream(
    images.map(({ path }) => path),
    { maxInFlight: 4 },
  )) {
    if (best!.index === images[index++]!.label + classOffset) right++
  }
  expect(index).toBe(400)
  return (100 * right) / images.length
}

describe.skipIf(missing)(`real models on real pictures, from JPEG to classes${unless}`, () => {
  // The figures to reach are those of the data's manifest; half a point is two pictures of 400.
  it('MobileNetV2 reaches its top-1', async () => {
    const accuracy = await top1('mobilenet_v2.fp32.onnx', { ...mobilenet, resize: [224, 224] }, 1)
    expect(Math.abs(accuracy - 88)).toBeLessThanOrEqual(0.5)
  })

  it('MobileNetV2 from quantization-aware training reaches its top-1', async () => {
    const accuracy = await top1('mobilenet_v2.qat-qdq.onnx', { ...mobilenet, resize: [224, 224] }, 1)
    expect(Math.abs(accuracy - 88.5)).toBeLessThanOrEqual(0.5)
  })

  it('SqueezeNet 1.1 reaches its top-1', async () => {
    const accuracy = await top1('squeezenet_v1.1.fp32.onnx', { ...squeezenetCaffe, resize: 256, crop: 227 }, 0)
    expect(Math.abs(accuracy - 59.75)).toBeLessThanOrEqual(0.5)
  })
})

const SIDE = 416

interface Observed extends DetectedPicture {
  readonly detections: readonly Detection[]
  readonly pixels: number
}

/** Every COCO picture with its objects and what YOLOX-nano finds in it. */
async function observe(options: YoloxOptions): Promise<Observed[]> {
  await using session = await createSession(testDataPath('models/yolox_nano.fp32.onnx'), { backend: 'cpu' })
  // The labels belong to the pictures as they are stored.
  const detect = pipeline(decodeImage({ ...yolox, letterbox: SIDE, autoOrient: false }))
    .pipe(infer(session))
    .pipe(detectYolox(options))
  const observed: Observed[] = []
  for (const picture of await readdir(testDataPath('coco/images'))) {
    const path = testDataPath(`coco/images/${picture}`)
    const { width, height } = readImageHeader(await readFile(path))
    const labels = testDataPath(`coco/labels/${picture.replace(/\.\w+$/, '.txt')}`)
    // No file: nothing to be found there.
    const truths = existsSync(labels) ? truthsFromYolo(await readFile(labels, 'utf8'), { width, height }) : []
    observed.push({ truths, detections: await detect.run(path), pixels: width * height })
  }
  return observed
}

describe.skipIf(missing)(`YOLOX-nano on COCO pictures${unless}`, () => {
  it('finds most large objects, and little that is not there', async () => {
    let [large, largeFound, reported, reportedRight] = [0, 0, 0, 0]
    for (const { truths, detections, pixels } of await observe({ scoreThreshold: 0.25, iouThreshold: 0.45 })) {
      const matches = (a: Truth | Detection, b: Truth | Detection) =>
        a.classIndex === b.classIndex && intersectionOverUnion(a.box, b.box) >= 0.5
      for (const truth of truths) {
        const { x1, y1, x2, y2 } = truth.box
        if ((x2 - x1) * (y2 - y1) < 0.05 * pixels) continue
        large++
        if (detections.some((detection) => matches(detection, truth))) largeFound++
      }
      reported += detections.length
      reportedRight += detections.filter((detection) => truths.some((truth) => matches(detection, truth))).length
    }
    expect(large).toBeGreaterThan(50)
    // The model's own level (0.777 and 0.681): a decode that is off by a stride or a pad loses half of it.
    expect(largeFound / large).toBeGreaterThan(0.75)
    expect(reportedRight / reported).toBeGreaterThan(0.65)
  })

  it('reaches its mean average precision', async () => {
    // As YOLOX itself is evaluated: nearly everything counts, and overlaps of up to 0.65 are two objects.
    const { map, map50 } = meanAveragePrecision(await observe({ scoreThreshold: 0.001, iouThreshold: 0.65 }))
    expect(Math.abs(map - 0.338)).toBeLessThanOrEqual(0.005)
    expect(map50).toBeGreaterThan(map)
  })
})
