import { checkOptions, type ImageTransform, invalidConfig, type RulesFor, type Stage, type Tensor } from '@lowlat/core'
import { checkLabels, checkTensor, checkTransforms, labelsRule, shapeError, transformOf } from './check.ts'
import { type NmsOptions, nmsRules, suppress, withNmsDefaults } from './nms.ts'

/** Edges in pixels of the source image; x grows to the right, y downwards. */
export interface Box {
  readonly x1: number
  readonly y1: number
  readonly x2: number
  readonly y2: number
}

export interface Detection {
  /** Clipped to the image. */
  readonly box: Box
  /** 0..1 */
  readonly score: number
  readonly classIndex: number
  /** Present where labels were given. */
  readonly label?: string
}

export interface DetectionOptions extends NmsOptions {
  /** Detections of a lower score are dropped. Default 0.25. */
  readonly scoreThreshold?: number
  /** One per class, in the order of the model's output. */
  readonly labels?: readonly string[]
}

export interface ResolvedDetectionOptions extends Required<NmsOptions> {
  readonly labels: readonly string[] | undefined
}

export const detectionRules: RulesFor<DetectionOptions> = { ...nmsRules, labels: labelsRule }

/**
 * `rules` where a model has more options.
 * @throws ConfigError CONFIG_INVALID for an option that is unknown, of the wrong type or out of range.
 */
export function resolveDetectionOptions(
  options: DetectionOptions,
  rules: RulesFor<DetectionOptions> = detectionRules,
): ResolvedDetectionOptions {
  checkOptions('detection options', options, rules, invalidConfig)
  const { scoreThreshold = 0.25, labels } = options
  return { ...withNmsDefaults({ ...options, scoreThreshold }), labels }
}

/** Boxes that a model proposes, in pixels of its input; grows as they are added. */
export class Candidates {
  #boxes = new Float32Array(64 * 4)
  #scores = new Float32Array(64)
  #classes = new Uint32Array(64)
  #count = 0

  add(x1: number, y1: number, x2: number, y2: number, score: number, classIndex: number): void {
    if (this.#count === this.#scores.length) this.#grow()
    const at = this.#count * 4
    this.#boxes[at] = x1
    this.#boxes[at + 1] = y1
    this.#boxes[at + 2] = x2
    this.#boxes[at + 3] = y2
    this.#scores[this.#count] = score
    this.#classes[this.#count] = classIndex
    this.#count++
  }

  /** Adds a box by its centre and size. */
  addCentred(x: number, y: number, width: number, height: number, score: number, classIndex: number): void {
    this.add(x - width / 2, y - height / 2, x + width / 2, y + height / 2, score, classIndex)
  }

  /** Suppresses duplicates and maps what is left to the source image; boxes that lie outside of it are dropped. */
  toDetections(transform: ImageTransform, options: ResolvedDetectionOptions): Detection[] {
    const boxes = this.#boxes.subarray(0, this.#count * 4)
    const scores = this.#scores.subarray(0, this.#count)
    const classes = this.#classes.subarray(0, this.#count)
    const detections: Detection[] = []
    for (const i of suppress(boxes, scores, classes, options)) {
      const box = toSource(boxes.subarray(i * 4, i * 4 + 4), transform)
      if (!(box.x2 > box.x1 && box.y2 > box.y1)) continue
      const detection = { box, score: scores[i]!, classIndex: classes[i]! }
      detections.push(options.labels ? { ...detection, label: options.labels[classes[i]!]! } : detection)
    }
    return detections
  }

  #grow(): void {
    const [boxes, scores, classes] = [this.#boxes, this.#scores, this.#classes]
    this.#boxes = new Float32Array(boxes.length * 2)
    this.#scores = new Float32Array(scores.length * 2)
    this.#classes = new Uint32Array(classes.length * 2)
    this.#boxes.set(boxes)
    this.#scores.set(scores)
    this.#classes.set(classes)
  }
}

function toSource([x1, y1, x2, y2]: Float32Array, transform: ImageTransform): Box {
  const { sourceWidth, sourceHeight, scaleX, scaleY, offsetX, offsetY } = transform
  const x = (value: number) => Math.min(sourceWidth, Math.max(0, (value - offsetX) / scaleX))
  const y = (value: number) => Math.min(sourceHeight, Math.max(0, (value - offsetY) / scaleY))
  return { x1: x(x1!), y1: y(y1!), x2: x(x2!), y2: y(y2!) }
}

/** Finds one image's candidates in its row of the model's output. */
type FindCandidates = (row: Float32Array, transform: ImageTransform) => Candidates

/**
 * One list of detections per row of an output [N, ...].
 * @throws InputError INPUT_SHAPE unless the output has three axes and as many rows as there are transforms.
 */
export function detectRows(
  output: Tensor,
  transforms: readonly ImageTransform[],
  options: ResolvedDetectionOptions,
  classes: number,
  find: FindCandidates,
): Detection[][] {
  checkTransforms(output, transforms)
  checkLabels(options.labels, classes)
  const values = output.toFloat32()
  const length = values.length / transforms.length
  return transforms.map((transform, row) =>
    find(values.subarray(row * length, (row + 1) * length), transform).toDetections(transform, options),
  )
}

/** A stage for one request: its image's transform comes from the stage that decoded it. */
export function detectionStage<I extends Tensor | Readonly<Record<string, Tensor>>>(
  name: string,
  decode: (input: I, transforms: readonly ImageTransform[]) => Detection[][],
): Stage<I, Detection[]> {
  return {
    name,
    segment: 'postprocess',
    run(input, context) {
      return decode(input, [transformOf(context)])[0]!
    },
  }
}

/** @throws InputError INVALID_ARGUMENT for what is no tensor; INPUT_SHAPE unless it has three axes. */
export function threeAxes(output: Tensor, expected: string, remedy: string): [number, number, number] {
  checkTensor(output)
  const [rows, first, second] = output.shape
  if (output.shape.length === 3 && rows !== undefined && first !== undefined && second !== undefined) {
    return [rows, first, second]
  }
  throw shapeError(expected, output, remedy)
}
