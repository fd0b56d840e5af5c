import { checkOptions, type ImageTransform, invalidConfig, type RulesFor, type Stage, type Tensor } from '@lowlat/core'
import { checkTensor, checkTransforms, shapeError, transformOf } from './check.ts'

/** One class per pixel, rows from the top. */
export interface ClassMap {
  readonly width: number
  readonly height: number
  /** [height, width]; Uint8Array for up to 255 classes, else Uint16Array. */
  readonly data: Uint8Array | Uint16Array
  /** Stands where the model saw nothing because preprocessing cut it off: the largest value of the array's type. */
  readonly ignoreIndex: number
}

export interface SegmentationOptions {
  /** 'source' (default) gives the size of the source image, by its nearest pixel; 'model' that of the model's output. */
  readonly size?: 'source' | 'model'
}

const segmentationRules: RulesFor<SegmentationOptions> = {
  size: { expected: "'source' or 'model'", accepts: (value) => value === 'source' || value === 'model' },
}

/** The most classes beside `ignoreIndex` that fit a Uint16Array. */
const MOST_CLASSES = 0xffff

/**
 * The most probable class of every pixel, from logits or probabilities [N, C, H, W]; one map per row. Of equal classes
 * the lower wins, and NaN never does.
 * @throws InputError INPUT_SHAPE for other shapes or a single class, INVALID_ARGUMENT for what is no tensor and unless
 *   there is one transform per row; ConfigError CONFIG_INVALID for bad options.
 */
export function decodeSegmentation(
  logits: Tensor,
  transforms: readonly ImageTransform[],
  options: SegmentationOptions = {},
): ClassMap[] {
  checkOptions('segmentation options', options, segmentationRules, invalidConfig)
  checkTensor(logits)
  const [, classes = 0, height = 0, width = 0] = logits.shape
  if (logits.shape.length !== 4 || classes < 2 || classes > MOST_CLASSES || height < 1 || width < 1) {
    const expected = `logits [N, classes, height, width] of 2 to ${MOST_CLASSES} classes`
    throw shapeError(expected, logits, 'For a single class take its sigmoid and a threshold instead.')
  }
  checkTransforms(logits, transforms)
  const values = logits.toFloat32()
  const length = classes * height * width
  return transforms.map((transform, row) => {
    const map = argMax(values.subarray(row * length, (row + 1) * length), classes, width, height)
    return options.size === 'model' ? map : toSource(map, transform)
  })
}

/** The stage from the logits of one image to its class map; see {@link decodeSegmentation}. Bad options throw at once. */
export function segment(options: SegmentationOptions = {}): Stage<Tensor, ClassMap> {
  checkOptions('segmentation options', options, segmentationRules, invalidConfig)
  return {
    name: 'segment',
    segment: 'postprocess',
    run(logits, context) {
      return decodeSegmentation(logits, [transformOf(context)], options)[0]!
    },
  }
}

function argMax(logits: Float32Array, classes: number, width: number, height: number): ClassMap {
  const count = width * height
  const data = classes <= 0xff ? new Uint8Array(count) : new Uint16Array(count)
  const best = new Float32Array(count).fill(Number.NEGATIVE_INFINITY)
  for (let c = 0; c < classes; c++) {
    const plane = c * count
    for (let i = 0; i < count; i++) {
      const value = logits[plane + i]!
      if (value > best[i]!) {
        best[i] = value
        data[i] = c
      }
    }
  }
  return { width, height, data, ignoreIndex: classes <= 0xff ? 0xff : 0xffff }
}

/** Every source pixel takes the class at its centre's place in the model's output, which may be smaller than its input. */
function toSource(map: ClassMap, transform: ImageTransform): ClassMap {
  const { sourceWidth, sourceHeight, targetWidth, targetHeight } = transform
  const { data, ignoreIndex } = map
  const columns = positions(sourceWidth, transform.scaleX, transform.offsetX, map.width, targetWidth)
  const rows = positions(sourceHeight, transform.scaleY, transform.offsetY, map.height, targetHeight)
  const out =
    data instanceof Uint8Array
      ? new Uint8Array(sourceWidth * sourceHeight)
      : new Uint16Array(sourceWidth * sourceHeight)
  let to = 0
  for (const row of rows) {
    for (const column of columns) out[to++] = row < 0 || column < 0 ? ignoreIndex : data[row * map.width + column]!
  }
  return { width: sourceWidth, height: sourceHeight, data: out, ignoreIndex }
}

/** Per source pixel of an axis its position in the map, or -1 where preprocessing cut it off. */
function positions(length: number, scale: number, offset: number, mapLength: number, targetLength: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => {
    const position = Math.floor((((i + 0.5) * scale + offset) * mapLength) / targetLength)
    return position >= 0 && position < mapLength ? position : -1
  })
}
