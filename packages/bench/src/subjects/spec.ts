import type { Precision, TensorInfo } from '@lowlat/core'
import type { JpegSet } from '../images.ts'

/** A model on disk, and what a subject has to know to feed it. */
export interface ModelFacts {
  readonly path: string
  /** The name to show, which says where weights are generated. */
  readonly label: string
  readonly inputs: readonly TensorInfo[]
  /** Side of the square RGB image that the model takes; undefined for models that take something else. */
  readonly imageSize: number | undefined
}

/** What a subject's process is asked to create; travels as a message. */
export type SubjectSpec =
  | { readonly kind: 'lowlat'; readonly load: Load; readonly session: SessionSpec }
  | { readonly kind: 'plain'; readonly load: Load }
  | { readonly kind: 'null-session' }
  | { readonly kind: 'null-context' }
  | {
      readonly kind: 'decode'
      readonly with: DecodeWay
      readonly jpegs: JpegSet
      readonly size: number
    }

/**
 * 'lowlat into' writes to a tensor that is used again, the others make one per image; 'sharp' gives only bytes, and
 * 'normalise' takes these bytes, decoded just before, to a tensor that is used again.
 */
export type DecodeWay = 'sharp' | 'lowlat' | 'lowlat into' | 'normalise' | 'plain'

/** The model and what it is fed with: JPEG files through a whole pipeline, or tensors that are ready. */
export interface Load {
  readonly model: ModelFacts
  readonly batch: number
  /** Absent: the model alone is run, on synthetic tensors. */
  readonly jpegs?: JpegSet
}

export interface SessionSpec {
  readonly backend: string
  readonly precision: Precision
  /** Folder of the plan cache; the user's own when absent. */
  readonly cacheFolder?: string
  readonly backendOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly warmup?: boolean
  /** Where rows are paired, run once before each measured run: the model has the caches that it has in a service. */
  readonly rehearse?: boolean
}

/** Something that answers requests, measured from outside. */
export interface Subject {
  /** What has to be there before a request and is not part of it; called before each `run` where rows are paired. */
  prepare?(index: number): Promise<void>
  /**
   * Answers one request; `index` chooses the images. Resolves to a number computed from the result, so that no work
   * can be optimised away and subjects can be checked against each other.
   */
  run(index: number): Promise<number>
  dispose(): Promise<void>
}
