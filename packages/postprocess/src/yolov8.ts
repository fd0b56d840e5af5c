import type { ImageTransform, Stage, Tensor } from '@lowlat/core'
import { shapeError } from './check.ts'
import {
  Candidates,
  type Detection,
  type DetectionOptions,
  detectionStage,
  detectRows,
  type ResolvedDetectionOptions,
  resolveDetectionOptions,
  threeAxes,
} from './detection.ts'

/**
 * Detections per image from the output [N, 4 + classes, A] of Ultralytics' YOLOv8 and its successors with that head:
 * rows of centre x, centre y, width and height in input pixels, then one row of probabilities per class, for A anchors.
 * An anchor counts for its most probable class.
 * @throws InputError INPUT_SHAPE or INVALID_ARGUMENT when output and transforms do not agree or are none; ConfigError
 *   CONFIG_INVALID for bad options or the wrong number of labels.
 */
export function decodeYolov8(
  output: Tensor,
  transforms: readonly ImageTransform[],
  options: DetectionOptions = {},
): Detection[][] {
  return decode(output, transforms, resolveDetectionOptions(options))
}

/** The stage from YOLOv8's output for one image to its detections; see {@link decodeYolov8}. Bad options throw at once. */
export function detectYolov8(options: DetectionOptions = {}): Stage<Tensor, Detection[]> {
  const resolved = resolveDetectionOptions(options)
  return detectionStage('detectYolov8', (output, transforms) => decode(output, transforms, resolved))
}

function decode(
  output: Tensor,
  transforms: readonly ImageTransform[],
  resolved: ResolvedDetectionOptions,
): Detection[][] {
  const expected = 'YOLOv8 output [N, 4 + classes, anchors]'
  const [, height, anchors] = threeAxes(output, expected, 'Pass the output of a YOLOv8 detection model.')
  const classes = height - 4
  if (classes < 1) throw shapeError(expected, output, 'Pass the output as exported, not transposed and without NMS.')

  return detectRows(output, transforms, resolved, classes, (row) => {
    // Class by class, since an anchor's probabilities lie far apart in memory and a class's lie together.
    const best = row.slice(4 * anchors, 5 * anchors)
    const bestClass = new Uint32Array(anchors)
    for (let c = 1; c < classes; c++) {
      const start = (4 + c) * anchors
      for (let i = 0; i < anchors; i++) {
        const score = row[start + i]!
        if (score > best[i]!) {
          best[i] = score
          bestClass[i] = c
        }
      }
    }
    const found = new Candidates()
    for (let i = 0; i < anchors; i++) {
      if (!(best[i]! >= resolved.scoreThreshold)) continue
      const [x, y] = [row[i]!, row[anchors + i]!]
      found.addCentred(x, y, row[2 * anchors + i]!, row[3 * anchors + i]!, best[i]!, bestClass[i]!)
    }
    return found
  })
}
