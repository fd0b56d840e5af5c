import { booleanRule, checkArgument, checkOptions, InputError, invalidConfig, type RulesFor } from '@lowlat/core'
import { countRule, fractionRule, numbersRule } from './check.ts'

export interface NmsOptions {
  /** Two boxes whose intersection over union is greater than this are the same object. Default 0.45. */
  readonly iouThreshold?: number
  /** Boxes of a lower score are ignored. Default 0. */
  readonly scoreThreshold?: number
  /** Most boxes to keep. Default 100. */
  readonly maxDetections?: number
  /** Also boxes of different classes suppress each other. Default false. */
  readonly classAgnostic?: boolean
}

export const nmsRules: RulesFor<NmsOptions> = {
  iouThreshold: fractionRule,
  scoreThreshold: fractionRule,
  maxDetections: countRule,
  classAgnostic: booleanRule,
}

export function withNmsDefaults(options: NmsOptions): Required<NmsOptions> {
  const { iouThreshold = 0.45, scoreThreshold = 0, maxDetections = 100, classAgnostic = false } = options
  return { iouThreshold, scoreThreshold, maxDetections, classAgnostic }
}

/**
 * Greedy non-maximum suppression: from the best score down, a box is kept unless it overlaps a kept box of its class
 * too much. `boxes` holds x1, y1, x2, y2 per box ([N, 4]), `scores` and `classes` one number per box. Returns the
 * positions of the kept boxes, best first; of equal scores the lower position comes first. A box without area overlaps
 * nothing; one with NaN or infinity among its coordinates or as its score is dropped.
 * Sorting takes O(n log n), suppression O(n * kept).
 * @throws InputError INVALID_ARGUMENT for what are no lists of numbers, and when the lengths do not agree; ConfigError CONFIG_INVALID for bad options.
 */
export function nms(
  boxes: Float32Array,
  scores: Float32Array,
  classes: ArrayLike<number>,
  options: NmsOptions = {},
): number[] {
  checkOptions('nms options', options, nmsRules, invalidConfig)
  checkArgument('boxes', boxes, numbersRule)
  checkArgument('scores', scores, numbersRule)
  checkArgument('classes', classes, numbersRule)
  const count = scores.length
  if (boxes.length !== count * 4 || classes.length !== count) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected ${count} boxes of 4 numbers and ${count} classes, got ${boxes.length} numbers and ${classes.length} classes.`,
      remedy: 'Pass x1, y1, x2, y2 and one score and class per box.',
      expected: [count * 4, count],
      received: [boxes.length, classes.length],
    })
  }
  return suppress(boxes, scores, classes, withNmsDefaults(options))
}

/** {@link nms} for arguments that were checked. */
export function suppress(
  boxes: Float32Array,
  scores: Float32Array,
  classes: ArrayLike<number>,
  { iouThreshold, scoreThreshold, maxDetections, classAgnostic }: Required<NmsOptions>,
): number[] {
  const count = scores.length
  const areas = new Float64Array(count)
  const order: number[] = []
  for (let i = 0; i < count; i++) {
    const width = boxes[i * 4 + 2]! - boxes[i * 4]!
    const height = boxes[i * 4 + 3]! - boxes[i * 4 + 1]!
    areas[i] = width > 0 && height > 0 ? width * height : 0
    // Infinite coordinates give an infinite or NaN sum, as NaN does.
    if (scores[i]! >= scoreThreshold && Number.isFinite(scores[i]! + width + height)) order.push(i)
  }
  order.sort((a, b) => scores[b]! - scores[a]! || a - b)

  const kept: number[] = []
  for (const candidate of order) {
    if (kept.length === maxDetections) break
    const overlaps = kept.some(
      (best) =>
        (classAgnostic || classes[best] === classes[candidate]) &&
        intersectionOverUnion(boxes, areas, best, candidate) > iouThreshold,
    )
    if (!overlaps) kept.push(candidate)
  }
  return kept
}

function intersectionOverUnion(boxes: Float32Array, areas: Float64Array, a: number, b: number): number {
  if (areas[a] === 0 || areas[b] === 0) return 0
  const i = a * 4
  const j = b * 4
  const width = Math.min(boxes[i + 2]!, boxes[j + 2]!) - Math.max(boxes[i]!, boxes[j]!)
  const height = Math.min(boxes[i + 3]!, boxes[j + 3]!) - Math.max(boxes[i + 1]!, boxes[j + 1]!)
  if (width <= 0 || height <= 0) return 0
  const intersection = width * height
  return intersection / (areas[a]! + areas[b]! - intersection)
}
