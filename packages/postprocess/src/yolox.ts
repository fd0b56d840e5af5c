import type { ImageTransform, RulesFor, Stage, Tensor } from '@lowlat/core'
import { countRule, shapeError, someRule } from './check.ts'
import {
  Candidates,
  type Detection,
  type DetectionOptions,
  detectionRules,
  detectionStage,
  detectRows,
  type ResolvedDetectionOptions,
  resolveDetectionOptions,
  threeAxes,
} from './detection.ts'

export interface YoloxOptions extends DetectionOptions {
  /** Pixels per grid cell of each output level. Default [8, 16, 32]; models with a fourth level add 64. */
  readonly strides?: readonly number[]
}

const yoloxRules: RulesFor<YoloxOptions> = { ...detectionRules, strides: someRule(countRule) }

/**
 * Detections per image from YOLOX's raw output [N, A, 5 + classes]: for each cell of the grids of every stride, row by
 * row, the box as (x, y, log width, log height) in units of the stride and relative to the cell, the probability that
 * there is an object, and that of every class. Box: ((x + column) * stride, (y + row) * stride), exp(w) * stride,
 * exp(h) * stride; score: object * class (Ge et al., YOLOX, arXiv:2107.08430, and its demo's decoding).
 *
 * The input's size is that of the transforms, which also map the boxes to their images.
 * @throws InputError INPUT_SHAPE or INVALID_ARGUMENT when output, input size and transforms do not agree or are
 *   none;
 *   ConfigError CONFIG_INVALID for bad options or the wrong number of labels.
 */
export function decodeYolox(
  output: Tensor,
  transforms: readonly ImageTransform[],
  options: YoloxOptions = {},
): Detection[][] {
  return decode(output, transforms, resolveYoloxOptions(options))
}

/** The stage from YOLOX's output for one image to its detections; see {@link decodeYolox}. Bad options throw at once. */
export function detectYolox(options: YoloxOptions = {}): Stage<Tensor, Detection[]> {
  const resolved = resolveYoloxOptions(options)
  return detectionStage('detectYolox', (output, transforms) => decode(output, transforms, resolved))
}

interface ResolvedYoloxOptions extends ResolvedDetectionOptions {
  readonly strides: readonly number[]
}

function resolveYoloxOptions(options: YoloxOptions): ResolvedYoloxOptions {
  const resolved = resolveDetectionOptions(options, yoloxRules)
  return { ...resolved, strides: options.strides ?? [8, 16, 32] }
}

function decode(output: Tensor, transforms: readonly ImageTransform[], resolved: ResolvedYoloxOptions): Detection[][] {
  const { strides } = resolved
  const expected = 'YOLOX output [N, anchors, 5 + classes]'
  const [, anchors, width] = threeAxes(output, expected, 'Pass the output of a YOLOX model.')
  const classes = width - 5
  if (classes < 1) throw shapeError(expected, output, 'Pass the raw output, before any decoding.')

  return detectRows(output, transforms, resolved, classes, (row, { targetWidth, targetHeight }) => {
    const cells = strides.reduce((sum, s) => sum + Math.floor(targetWidth / s) * Math.floor(targetHeight / s), 0)
    if (cells !== anchors) {
      const size = `${targetWidth}x${targetHeight}`
      const remedy = 'Check that the image has the size of the model input, and `strides`.'
      throw shapeError(`${cells} anchors for an input of ${size} with strides ${strides.join(', ')}`, output, remedy)
    }
    const found = new Candidates()
    let at = 0
    for (const stride of strides) {
      const columns = Math.floor(targetWidth / stride)
      const lines = Math.floor(targetHeight / stride)
      for (let y = 0; y < lines; y++) {
        for (let x = 0; x < columns; x++, at += width) {
          // A class cannot be more probable than 1: most cells are done here.
          const object = row[at + 4]!
          if (!(object >= resolved.scoreThreshold)) continue
          const classIndex = indexOfMax(row, at + 5, at + width)
          const score = object * row[at + 5 + classIndex]!
          if (!(score >= resolved.scoreThreshold)) continue
          found.addCentred(
            (row[at]! + x) * stride,
            (row[at + 1]! + y) * stride,
            Math.exp(row[at + 2]!) * stride,
            Math.exp(row[at + 3]!) * stride,
            score,
            classIndex,
          )
        }
      }
    }
    return found
  })
}

function indexOfMax(values: Float32Array, start: number, end: number): number {
  let best = start
  for (let i = start + 1; i < end; i++) if (values[i]! > values[best]!) best = i
  return best - start
}
