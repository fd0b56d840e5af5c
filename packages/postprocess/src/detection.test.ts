import { type ImageTransform, imageTransform, RequestContext, Tensor, Timeline } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import type { Detection } from './detection.ts'
import { decodeSsd, detectSsd } from './ssd.ts'
import { decodeYolov8, detectYolov8 } from './yolov8.ts'
import { decodeYolox, detectYolox } from './yolox.ts'

/** A 200 x 100 image, halved, and 14 pixels from the top of a 64-pixel-high input 96 wide. */
const transform: ImageTransform = {
  sourceWidth: 200,
  sourceHeight: 100,
  targetWidth: 96,
  targetHeight: 64,
  scaleX: 0.5,
  scaleY: 0.5,
  offsetX: -4,
  offsetY: 14,
}
const shifted: ImageTransform = { ...transform, offsetX: 0 }

const request = (attached?: ImageTransform) => {
  const context = new RequestContext({ timeline: new Timeline() })
  if (attached) context.attach(imageTransform, attached)
  return context
}

const code = (expected: string) => expect.objectContaining({ code: expected })

/** Checks against float32 precision. */
function expectDetections(detections: Detection[], expected: Detection[]): void {
  const rounded = detections.map(({ box, score, ...rest }) => ({
    ...rest,
    score: Number(score.toFixed(4)),
    box: Object.fromEntries(Object.entries(box).map(([edge, value]) => [edge, Number(value.toFixed(2))])),
  }))
  expect(rounded).toEqual(expected)
}

describe('YOLOX', () => {
  // Grids of 12x8, 6x4 and 3x2 cells; 3 classes.
  const anchors = 12 * 8 + 6 * 4 + 3 * 2
  const width = 8
  const cell = (stride: number, column: number, row: number) => {
    const before = stride === 8 ? 0 : stride === 16 ? 96 : 120
    return before + row * (96 / stride) + column
  }
  const output = (rows: { anchor: number; values: number[] }[][]) => {
    const tensor = Tensor.zeros('float32', [rows.length, anchors, width])
    for (const [n, cells] of rows.entries()) {
      for (const { anchor, values } of cells) tensor.data.set(values, (n * anchors + anchor) * width)
    }
    return tensor
  }
  const log = Math.log
  // Centre (44, 34), 16 x 8 in input pixels: column 2, row 2 of stride 16, a quarter right and an eighth down.
  const found = { anchor: cell(16, 2, 2), values: [0.75, 0.125, log(1), log(0.5), 0.8, 0.1, 0.9, 0.2] }
  const box = { x1: (36 + 4) / 0.5, y1: (30 - 14) / 0.5, x2: (52 + 4) / 0.5, y2: (38 - 14) / 0.5 }

  it('decodes cells of the right stride back to the source image', () => {
    const [detections] = decodeYolox(output([[found]]), [transform], { labels: ['a', 'b', 'c'] })
    expectDetections(detections!, [{ box, score: 0.72, classIndex: 1, label: 'b' }])
  })

  it('suppresses the same object seen by two levels, and clips to the image', () => {
    const twin = { anchor: cell(8, 5, 4), values: [0.5, 0.25, log(2), log(1), 0.7, 0, 0.9, 0] }
    const edge = { anchor: cell(32, 2, 1), values: [0.5, 0.5, log(2), log(2), 1, 0, 0, 1] }
    const [detections] = decodeYolox(output([[found, twin, edge]]), [transform])
    expectDetections(detections!, [
      { box: { x1: (48 + 4) / 0.5, y1: (16 - 14) / 0.5, x2: 200, y2: 100 }, score: 1, classIndex: 2 },
      { box, score: 0.72, classIndex: 1 },
    ])
  })

  it('drops what lies in the padding', () => {
    const above = { anchor: cell(8, 5, 0), values: [0.5, 0.5, log(1), log(1), 1, 1, 0, 0] }
    expect(decodeYolox(output([[above]]), [transform])).toEqual([[]])
  })

  it('keeps the images of a batch apart', () => {
    const [first, second, third] = decodeYolox(output([[], [found], [found]]), [transform, transform, shifted])
    expect(first).toEqual([])
    expectDetections(second!, [{ box, score: 0.72, classIndex: 1 }])
    expectDetections(third!, [{ box: { ...box, x1: 36 / 0.5, x2: 52 / 0.5 }, score: 0.72, classIndex: 1 }])
  })

  it('ignores NaN', () => {
    const broken = { anchor: 3, values: Array<number>(8).fill(Number.NaN) }
    expect(decodeYolox(output([[broken, found]]), [transform])[0]).toHaveLength(1)
  })

  it('refuses outputs that do not belong to the input size, and wrong labels', () => {
    expect(() => decodeYolox(output([[]]), [{ ...transform, targetWidth: 128 }])).toThrow(code('INPUT_SHAPE'))
    expect(() => decodeYolox(output([[]]), [transform], { strides: [8, 16] })).toThrow(code('INPUT_SHAPE'))
    expect(() => decodeYolox(Tensor.zeros('float32', [1, 5, 5]), [transform])).toThrow(code('INPUT_SHAPE'))
    expect(() => decodeYolox(Tensor.zeros('float32', [5, 8]), [transform])).toThrow(code('INPUT_SHAPE'))
    expect(() => decodeYolox(output([[], []]), [transform])).toThrow(code('INVALID_ARGUMENT'))
    expect(() => decodeYolox(output([[]]), [transform], { labels: ['a'] })).toThrow(code('CONFIG_INVALID'))
  })

  it('is a stage that takes the transform from the request', async () => {
    const detections = await detectYolox().run(output([[found]]), request(transform))
    expectDetections(detections, [{ box, score: 0.72, classIndex: 1 }])
    expect(() => detectYolox().run(output([[found]]), request())).toThrow(code('INVALID_ARGUMENT'))
    expect(() => detectYolox({ strides: [] })).toThrow(code('CONFIG_INVALID'))
    expect(() => detectYolox({ scoreThreshold: 2 })).toThrow(code('CONFIG_INVALID'))
  })
})

describe('YOLOv8', () => {
  // 3 anchors, 2 classes: rows of x, y, w, h and the classes.
  const output = new Tensor(
    'float32',
    [1, 6, 3],
    Float32Array.from(
      [
        [44, 44, 60],
        [34, 34, 40],
        [16, 15, 8],
        [8, 8, 8],
        [0.1, 0.2, 0.6],
        [0.9, 0.8, 0.1],
      ].flat(),
    ),
  )

  it('takes the best class of every anchor and suppresses duplicates', () => {
    const [detections] = decodeYolov8(output, [transform], { labels: ['a', 'b'] })
    expectDetections(detections!, [
      { box: { x1: 80, y1: 32, x2: 112, y2: 48 }, score: 0.9, classIndex: 1, label: 'b' },
      { box: { x1: 120, y1: 44, x2: 136, y2: 60 }, score: 0.6, classIndex: 0, label: 'a' },
    ])
  })

  it('is a stage', async () => {
    expect(await detectYolov8({ scoreThreshold: 0.7 }).run(output, request(transform))).toHaveLength(1)
    expect(() => detectYolov8({ maxDetections: 0 })).toThrow(code('CONFIG_INVALID'))
  })

  it('refuses other shapes', () => {
    expect(() => decodeYolov8(Tensor.zeros('float32', [1, 4, 10]), [transform])).toThrow(code('INPUT_SHAPE'))
    expect(() => decodeYolov8(output, [transform, transform])).toThrow(code('INVALID_ARGUMENT'))
  })
})

describe('SSD', () => {
  const scores = new Tensor('float32', [1, 2, 2], Float32Array.from([0.1, 0.9, 0.95, 0.05]))
  const corners = new Tensor('float32', [1, 2, 4], Float32Array.from([0.25, 0.5, 0.5, 0.75, 0, 0, 1, 1]))
  const box = { x1: (24 + 4) * 2, y1: (32 - 14) * 2, x2: (48 + 4) * 2, y2: (48 - 14) * 2 }

  it('takes corners relative to the input, without the background', () => {
    const [detections] = decodeSsd({ scores, boxes: corners }, [transform], { labels: ['background', 'face'] })
    expectDetections(detections!, [{ box, score: 0.9, classIndex: 1, label: 'face' }])
  })

  it('decodes boxes against priors', () => {
    const priors = { boxes: Float32Array.from([0.25, 0.5, 0.5, 0.25, 0.5, 0.5, 1, 1]) }
    // Centre (0.375, 0.625), size (0.25, 0.25): the corners above.
    const encoded = [0.125 / 0.5 / 0.1, 0.125 / 0.25 / 0.1, Math.log(0.25 / 0.5) / 0.2, 0, 0, 0, 0, 0]
    const boxes = new Tensor('float32', [1, 2, 4], Float32Array.from(encoded))
    expectDetections(decodeSsd({ scores, boxes }, [transform], { priors })[0]!, [{ box, score: 0.9, classIndex: 1 }])
    expect(() => decodeSsd({ scores, boxes }, [transform], { priors: { boxes: new Float32Array(4) } })).toThrow(
      code('INVALID_ARGUMENT'),
    )
  })

  it('counts an anchor for every class where there is no background', () => {
    const [detections] = decodeSsd({ scores, boxes: corners }, [transform], { backgroundClass: null })
    expect(detections!.map(({ classIndex }) => classIndex)).toEqual([0, 1])
  })

  it('finds outputs by name, and is a stage', async () => {
    const options = { scores: 'confidences', boxes: 'locations' }
    const fetches = { confidences: scores, locations: corners }
    expect(await detectSsd(options).run(fetches, request(transform))).toHaveLength(1)
    expect(() => decodeSsd(fetches, [transform])).toThrow(code('OUTPUT_UNKNOWN'))
    expect(() => detectSsd({ backgroundClass: -1 })).toThrow(code('CONFIG_INVALID'))
  })

  it('refuses outputs that do not agree', () => {
    const boxes = Tensor.zeros('float32', [1, 3, 4])
    expect(() => decodeSsd({ scores, boxes }, [transform])).toThrow(code('INPUT_SHAPE'))
    expect(() => decodeSsd({ scores, boxes: corners }, [])).toThrow(code('INVALID_ARGUMENT'))
  })
})
