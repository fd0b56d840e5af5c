import { InputError } from '@lowlat/core'
import type { Box, Detection } from '@lowlat/postprocess'

/** An object that is really in a picture. */
export interface Truth {
  readonly classIndex: number
  /** In pixels, as the detections' boxes. */
  readonly box: Box
}

/** A picture's objects and what a detector says of it. */
export interface DetectedPicture {
  readonly truths: readonly Truth[]
  readonly detections: readonly Pick<Detection, 'box' | 'score' | 'classIndex'>[]
}

export interface MeanAveragePrecision {
  /** Mean over the overlaps 0.5, 0.55, ..., 0.95: COCO's own figure. 0..1 */
  readonly map: number
  /** At an overlap of 0.5 alone. 0..1 */
  readonly map50: number
}

const OVERLAPS = Array.from({ length: 10 }, (_, i) => 0.5 + i * 0.05)
/** Precision is read off at recalls 0, 0.01, ..., 1. */
const RECALLS = Array.from({ length: 101 }, (_, i) => i / 100)
/** Per picture and class, the best by score. */
const MOST_DETECTIONS = 100

/**
 * Mean average precision as COCO defines it (cocodataset.org/#detection-eval), over all sizes of objects and without
 * crowds: per class and overlap, detections of all pictures in descending order of score are matched each to the free
 * object of its picture that it overlaps most; precision is made non-increasing in recall, and averaged over 101 recalls.
 * Classes without any object do not count.
 * @throws InputError INVALID_ARGUMENT when no picture has an object.
 */
export function meanAveragePrecision(pictures: readonly DetectedPicture[]): MeanAveragePrecision {
  const classes = new Set(pictures.flatMap(({ truths }) => truths.map(({ classIndex }) => classIndex)))
  if (classes.size === 0) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected at least one object in the pictures, got ${pictures.length} pictures without any.`,
      remedy: 'Pass the labels of the pictures as `truths`.',
    })
  }
  const sums = OVERLAPS.map(() => 0)
  for (const classIndex of classes) {
    const ofClass = pictures.map((picture) => overlapsOf(picture, classIndex))
    const objects = ofClass.reduce((sum, { truths }) => sum + truths, 0)
    for (const [i, overlap] of OVERLAPS.entries()) {
      const matches = ofClass.flatMap((each) => match(each, overlap))
      sums[i]! += averagePrecision(matches, objects)
    }
  }
  const means = sums.map((sum) => sum / classes.size)
  return { map: means.reduce((a, b) => a + b, 0) / means.length, map50: means[0]! }
}

/** Of one class in one picture: detections from the best score down, each with its overlap with every object. */
interface Overlaps {
  readonly truths: number
  readonly detections: readonly { readonly score: number; readonly overlaps: readonly number[] }[]
}

function overlapsOf({ truths, detections }: DetectedPicture, classIndex: number): Overlaps {
  const boxes = truths.filter((truth) => truth.classIndex === classIndex).map(({ box }) => box)
  const best = detections
    .filter((detection) => detection.classIndex === classIndex)
    .sort((a, b) => b.score - a.score)
    .slice(0, MOST_DETECTIONS)
  return {
    truths: boxes.length,
    detections: best.map(({ score, box }) => ({
      score,
      overlaps: boxes.map((other) => intersectionOverUnion(box, other)),
    })),
  }
}

interface Match {
  readonly score: number
  readonly right: boolean
}

function match({ truths, detections }: Overlaps, overlap: number): Match[] {
  const free = Array.from({ length: truths }, () => true)
  return detections.map(({ score, overlaps }) => {
    let best = -1
    for (const [i, value] of overlaps.entries()) {
      if (free[i] && value >= overlap && (best < 0 || value >= overlaps[best]!)) best = i
    }
    if (best >= 0) free[best] = false
    return { score, right: best >= 0 }
  })
}

function averagePrecision(matches: Match[], objects: number): number {
  matches.sort((a, b) => b.score - a.score)
  const recalls: number[] = []
  const precisions: number[] = []
  let right = 0
  for (const [i, each] of matches.entries()) {
    if (each.right) right++
    recalls.push(right / objects)
    precisions.push(right / (i + 1))
  }
  for (let i = precisions.length - 2; i >= 0; i--) precisions[i] = Math.max(precisions[i]!, precisions[i + 1]!)
  let at = 0
  let sum = 0
  for (const recall of RECALLS) {
    while (at < recalls.length && recalls[at]! < recall) at++
    sum += precisions[at] ?? 0
  }
  return sum / RECALLS.length
}

export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1)
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1)
  if (width <= 0 || height <= 0) return 0
  const area = (box: Box) => (box.x2 - box.x1) * (box.y2 - box.y1)
  return (width * height) / (area(a) + area(b) - width * height)
}
