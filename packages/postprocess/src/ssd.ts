import { type Fetches, type ImageTransform, InputError, type Stage, type Tensor } from '@lowlat/core'
import { checkLabels, checkOption, isCount, shapeError } from './check.ts'
import {
  Candidates,
  checkRows,
  type Detection,
  type DetectionOptions,
  detectionStage,
  resolveDetectionOptions,
  threeAxes,
} from './detection.ts'

export interface SsdPriors {
  /** Centre x, centre y, width and height of every anchor, relative to the input (0..1): [A, 4]; see ssdPriors. */
  readonly boxes: Float32Array
  /** Factors of the encoded centre and size. Default [0.1, 0.2]. */
  readonly variances?: readonly [centre: number, size: number]
}

export interface SsdOptions extends DetectionOptions {
  /** Name of the output with the classes' probabilities [N, A, C]. Default 'scores'. */
  readonly scores?: string
  /** Name of the output with the boxes [N, A, 4]. Default 'boxes'. */
  readonly boxes?: string
  /** Needed where the model returns boxes encoded against anchors; without it they are corners relative to the input. */
  readonly priors?: SsdPriors
  /** The class that stands for "nothing"; null where there is none. Default 0. */
  readonly backgroundClass?: number | null
}

type CornersOf = (boxes: Float32Array, anchor: number) => readonly [number, number, number, number]

/**
 * Detections per image from the outputs of single-shot detectors: probabilities [N, A, C] and boxes [N, A, 4]. Without
 * `priors` a box is (x1, y1, x2, y2) relative to the input (0..1). With them it is decoded as
 * centre = prior centre + value * variance * prior size, size = prior size * exp(value * variance)
 * (Liu et al., SSD, arXiv:1512.02325). An anchor counts for every class above the threshold; `classIndex` and `labels`
 * include the background.
 * @throws InputError OUTPUT_UNKNOWN, INPUT_SHAPE or INVALID_ARGUMENT when outputs, priors and transforms do not agree;
 *   ConfigError CONFIG_INVALID for bad options or the wrong number of labels.
 */
export function decodeSsd(
  outputs: Fetches,
  transforms: readonly ImageTransform[],
  options: SsdOptions = {},
): Detection[][] {
  const { backgroundClass } = checkSsd(options)
  const resolved = resolveDetectionOptions(options)
  const scores = outputNamed(outputs, options.scores ?? 'scores')
  const boxes = outputNamed(outputs, options.boxes ?? 'boxes')
  const remedy = 'Name the outputs by the options `scores` and `boxes`.'
  const [rows, anchors, classes] = threeAxes(scores, 'probabilities [N, anchors, classes]', remedy)
  const [boxRows, boxAnchors, four] = threeAxes(boxes, 'boxes [N, anchors, 4]', remedy)
  if (boxRows !== rows || boxAnchors !== anchors || four !== 4) {
    throw shapeError(`boxes [${rows}, ${anchors}, 4], as many as probabilities`, boxes, remedy)
  }
  checkRows(scores, transforms)
  checkLabels(resolved.labels, classes)
  const cornersOf = options.priors ? encodedBy(options.priors, anchors) : corners

  const allScores = scores.toFloat32()
  const allBoxes = boxes.toFloat32()
  return transforms.map((transform, row) => {
    const { targetWidth, targetHeight } = transform
    const found = new Candidates()
    for (let anchor = row * anchors; anchor < (row + 1) * anchors; anchor++) {
      for (let c = 0; c < classes; c++) {
        const score = allScores[anchor * classes + c]!
        if (c === backgroundClass || !(score >= resolved.scoreThreshold)) continue
        const [x1, y1, x2, y2] = cornersOf(allBoxes.subarray(anchor * 4, anchor * 4 + 4), anchor - row * anchors)
        found.add(x1 * targetWidth, y1 * targetHeight, x2 * targetWidth, y2 * targetHeight, score, c)
      }
    }
    return found.toDetections(transform, resolved)
  })
}

/** The stage from the outputs for one image to its detections, behind inferFeeds; see {@link decodeSsd}. */
export function detectSsd(options: SsdOptions = {}): Stage<Fetches, Detection[]> {
  checkSsd(options)
  resolveDetectionOptions(options)
  return detectionStage('detectSsd', (outputs: Fetches, transforms) => decodeSsd(outputs, transforms, options))
}

function checkSsd({ backgroundClass = 0 }: SsdOptions): { backgroundClass: number | null } {
  const fits = backgroundClass === null || backgroundClass === 0 || isCount(backgroundClass)
  checkOption('backgroundClass', backgroundClass, fits, 'the index of a class, or null')
  return { backgroundClass }
}

const corners: CornersOf = (box) => [box[0]!, box[1]!, box[2]!, box[3]!]

function encodedBy({ boxes: priors, variances = [0.1, 0.2] }: SsdPriors, anchors: number): CornersOf {
  if (priors.length !== anchors * 4) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected ${anchors} priors of 4 numbers for ${anchors} anchors, got ${priors.length} numbers.`,
      remedy: 'Generate the priors for the input size of this model.',
      expected: anchors * 4,
      received: priors.length,
    })
  }
  const [centreFactor, sizeFactor] = variances
  return (box, anchor) => {
    const width = priors[anchor * 4 + 2]!
    const height = priors[anchor * 4 + 3]!
    const centreX = priors[anchor * 4]! + box[0]! * centreFactor * width
    const centreY = priors[anchor * 4 + 1]! + box[1]! * centreFactor * height
    const halfWidth = (width * Math.exp(box[2]! * sizeFactor)) / 2
    const halfHeight = (height * Math.exp(box[3]! * sizeFactor)) / 2
    return [centreX - halfWidth, centreY - halfHeight, centreX + halfWidth, centreY + halfHeight]
  }
}

function outputNamed(outputs: Fetches, name: string): Tensor {
  const tensor = outputs[name]
  if (tensor) return tensor
  throw new InputError('OUTPUT_UNKNOWN', {
    message: `Expected an output '${name}', got ${Object.keys(outputs).join(', ') || 'none'}.`,
    remedy: 'Name the outputs of this model by the options `scores` and `boxes`.',
    expected: name,
    received: Object.keys(outputs),
  })
}
