import {
  type Fetches,
  type ImageTransform,
  InputError,
  integerRule,
  nameRule,
  type Rule,
  type RulesFor,
  type Stage,
  type Tensor,
} from '@lowlat/core'
import { checkFetches, checkLabels, checkTransforms, numbersRule, shapeError } from './check.ts'
import {
  Candidates,
  type Detection,
  type DetectionOptions,
  detectionRules,
  detectionStage,
  type ResolvedDetectionOptions,
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

const priorsRule: Rule = {
  expected: 'priors { boxes, variances }, a Float32Array and two numbers',
  accepts(value) {
    if (typeof value !== 'object' || value === null || !('boxes' in value)) return false
    const { boxes, variances = [0, 0] } = value as { boxes: unknown; variances?: unknown }
    const pair = Array.isArray(variances) && variances.length === 2 && variances.every(Number.isFinite)
    return numbersRule.accepts(boxes) && pair
  },
}
const classRule = integerRule(0)
const ssdRules: RulesFor<SsdOptions> = {
  ...detectionRules,
  scores: nameRule,
  boxes: nameRule,
  priors: priorsRule,
  backgroundClass: {
    expected: 'the index of a class, or null',
    accepts: (value) => value === null || classRule.accepts(value),
  },
}

interface ResolvedSsdOptions extends ResolvedDetectionOptions {
  readonly scores: string
  readonly boxes: string
  readonly priors: SsdPriors | undefined
  readonly backgroundClass: number | null
}

type CornersOf = (boxes: Float32Array, anchor: number) => readonly [number, number, number, number]

/**
 * Detections per image from the outputs of single-shot detectors: probabilities [N, A, C] and boxes [N, A, 4]. Without
 * `priors` a box is (x1, y1, x2, y2) relative to the input (0..1). With them it is decoded as
 * centre = prior centre + value * variance * prior size, size = prior size * exp(value * variance)
 * (Liu et al., SSD, arXiv:1512.02325). An anchor counts for every class above the threshold; `classIndex` and `labels`
 * include the background.
 * @throws InputError OUTPUT_UNKNOWN, INPUT_SHAPE or INVALID_ARGUMENT when outputs, priors and transforms do not agree or
 *   are none; ConfigError CONFIG_INVALID for bad options or the wrong number of labels.
 */
export function decodeSsd(
  outputs: Fetches,
  transforms: readonly ImageTransform[],
  options: SsdOptions = {},
): Detection[][] {
  return decode(outputs, transforms, resolveSsdOptions(options))
}

/**
 * The stage from the outputs for one image to its detections, behind inferFeeds; see {@link decodeSsd}. Bad options throw
 * at once.
 */
export function detectSsd(options: SsdOptions = {}): Stage<Fetches, Detection[]> {
  const resolved = resolveSsdOptions(options)
  return detectionStage('detectSsd', (outputs: Fetches, transforms) => decode(outputs, transforms, resolved))
}

function resolveSsdOptions(options: SsdOptions): ResolvedSsdOptions {
  const resolved = resolveDetectionOptions(options, ssdRules)
  const { scores = 'scores', boxes = 'boxes', priors, backgroundClass = 0 } = options
  return { ...resolved, scores, boxes, priors, backgroundClass }
}

function decode(outputs: Fetches, transforms: readonly ImageTransform[], resolved: ResolvedSsdOptions): Detection[][] {
  checkFetches(outputs)
  const scores = outputNamed(outputs, resolved.scores)
  const boxes = outputNamed(outputs, resolved.boxes)
  const remedy = 'Name the outputs by the options `scores` and `boxes`.'
  const [rows, anchors, classes] = threeAxes(scores, 'probabilities [N, anchors, classes]', remedy)
  const [boxRows, boxAnchors, four] = threeAxes(boxes, 'boxes [N, anchors, 4]', remedy)
  if (boxRows !== rows || boxAnchors !== anchors || four !== 4) {
    throw shapeError(`boxes [${rows}, ${anchors}, 4], as many as probabilities`, boxes, remedy)
  }
  checkTransforms(scores, transforms)
  checkLabels(resolved.labels, classes)
  const cornersOf = resolved.priors ? encodedBy(resolved.priors, anchors) : corners

  const allScores = scores.toFloat32()
  const allBoxes = boxes.toFloat32()
  return transforms.map((transform, row) => {
    const { targetWidth, targetHeight } = transform
    const found = new Candidates()
    for (let anchor = row * anchors; anchor < (row + 1) * anchors; anchor++) {
      for (let c = 0; c < classes; c++) {
        const score = allScores[anchor * classes + c]!
        if (c === resolved.backgroundClass || !(score >= resolved.scoreThreshold)) continue
        const [x1, y1, x2, y2] = cornersOf(allBoxes.subarray(anchor * 4, anchor * 4 + 4), anchor - row * anchors)
        found.add(x1 * targetWidth, y1 * targetHeight, x2 * targetWidth, y2 * targetHeight, score, c)
      }
    }
    return found.toDetections(transform, resolved)
  })
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
  if (Object.hasOwn(outputs, name)) return outputs[name]!
  throw new InputError('OUTPUT_UNKNOWN', {
    message: `Expected an output '${name}', got ${Object.keys(outputs).join(', ') || 'none'}.`,
    remedy: 'Name the outputs of this model by the options `scores` and `boxes`.',
    expected: name,
    received: Object.keys(outputs),
  })
}
