import type { Precision, TensorInfo } from '@lowlat/core'
import type { ImageOptions } from '@lowlat/preprocess'
import type { ReferenceSplit } from '../reference/dataset.ts'
import type { PreprocessChoice } from './image-options.ts'
import type { LabelledFile } from './labelled-files.ts'

/** What the accuracy suite measures, as the command line names it. */
export type AccuracyChoice =
  | { readonly kind: 'reference'; readonly mostPictures: number }
  | {
      readonly kind: 'files'
      readonly model: string
      /** The same model from quantization-aware training, with Q/DQ nodes. */
      readonly qat?: string | undefined
      /** A folder of pictures, or a table of them; see {@link labelledFiles}. */
      readonly data: string
      readonly preprocess: PreprocessChoice
      /** Added to every class of the data: 1 for models that have a background class first. */
      readonly classOffset: number
      readonly mostPictures: number
    }

/** Where labelled pictures come from; travels as a message. */
export type PictureSource =
  | { readonly kind: 'reference'; readonly split: ReferenceSplit; readonly count: number }
  | { readonly kind: 'files'; readonly files: readonly LabelledFile[] }

/** A classifier and its pictures, checked to fit each other; travels as a message. */
export interface AccuracyTask {
  /** For tables. */
  readonly label: string
  readonly model: string
  readonly qat: string | undefined
  readonly image: ImageOptions
  readonly calibration: PictureSource
  readonly evaluation: PictureSource
  /** Whether the model and its pictures are the project's own, which take little time. */
  readonly reference: boolean
}

/** One way to store and compute the model. */
export interface Variant {
  readonly subject: string
  readonly precision: Precision
  readonly recipe: 'fp32' | 'fp16' | 'minmax' | 'entropy' | 'percentile' | 'mse' | 'auto' | 'qat'
}

/** A variant on disk. */
export interface VariantFile {
  readonly path: string
  readonly sizeBytes: number
  /** With the size of the pictures in place of open axes. */
  readonly inputs: readonly TensorInfo[]
}

/** Of a classifier on the evaluation pictures, in percent; `drop` in points, above 0 where it is less accurate. */
export interface Accuracy {
  readonly top1: number
  readonly top5: number
  readonly drop: number
  /** Share of the pictures that it gives the same class as the FP32 model, right or wrong. */
  readonly agreement: number
}
