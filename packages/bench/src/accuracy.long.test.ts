import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { createSession, infer, pipeline } from '@lowlat/core'
import { type Detection, detectYolox, topK } from '@lowlat/postprocess'
import { decodeImage, type ImageOptions, mobilenet, squeezenetCaffe, yolox } from '@lowlat/preprocess'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'

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

interface Truth {
  readonly classIndex: number
  readonly box: Detection['box']
}

/** Objects of a picture in YOLO's text format: class, centre and size as fractions of the picture. */
async function objectsOf(file: string, width: number, height: number): Promise<Truth[]> {
  const path = testDataPath(`coco/labels/${file}.txt`)
  if (!existsSync(path)) return [] // nothing to be found there
  const text = await readFile(path, 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [classIndex, x, y, w, h] = line.split(' ').map(Number) as [number, number, number, number, number]
      const box = {
        x1: (x - w / 2) * width,
        y1: (y - h / 2) * height,
        x2: (x + w / 2) * width,
        y2: (y + h / 2) * height,
      }
      return { classIndex, box }
    })
}

function overlap(a: Detection['box'], b: Detection['box']): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1)
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1)
  if (width <= 0 || height <= 0) return 0
  const area = (box: Detection['box']) => (box.x2 - box.x1) * (box.y2 - box.y1)
  return (width * height) / (area(a) + area(b) - width * height)
}

describe.skipIf(missing)(`YOLOX-nano on COCO pictures${unless}`, () => {
  it('finds most large objects, and little that is not there', async () => {
    await using session = await createSession(testDataPath('models/yolox_nano.fp32.onnx'), { backend: 'cpu' })
    const detect = pipeline(decodeImage({ ...yolox, letterbox: 416, autoOrient: false }))
      .pipe(infer(session))
      .pipe(detectYolox({ scoreThreshold: 0.25, iouThreshold: 0.45 }))
    let [large, largeFound, reported, reportedRight] = [0, 0, 0, 0]
    for (const picture of await readdir(testDataPath('coco/images'))) {
      const path = testDataPath(`coco/images/${picture}`)
      const { width, height } = await sharp(path).metadata()
      const truths = await objectsOf(picture.replace(/\.\w+$/, ''), width, height)
      const found = await detect.run(path)
      const matches = (a: Truth | Detection, b: Truth | Detection) =>
        a.classIndex === b.classIndex && overlap(a.box, b.box) >= 0.5
      for (const truth of truths) {
        const { x1, y1, x2, y2 } = truth.box
        if ((x2 - x1) * (y2 - y1) < 0.05 * width * height) continue
        large++
        if (found.some((detection) => matches(detection, truth))) largeFound++
      }
      reported += found.length
      reportedRight += found.filter((detection) => truths.some((truth) => matches(detection, truth))).length
    }
    expect(large).toBeGreaterThan(50)
    // The model's own level (0.777 and 0.681): a decode that is off by a stride or a pad loses half of it.
    expect(largeFound / large).toBeGreaterThan(0.75)
    expect(reportedRight / reported).toBeGreaterThan(0.65)
  })
})
