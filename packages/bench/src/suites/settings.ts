import { join } from 'node:path'
import type { Precision } from '@lowlat/core'
import type { AccuracyTask } from '../accuracy/task.ts'
import type { JpegSet } from '../images.ts'
import type { Outcome } from '../report.ts'
import type { ScenarioName } from '../scenarios/definitions.ts'
import type { ModelFacts } from '../subjects/spec.ts'

/** What a suite measures, and with what. */
export interface SuiteSettings {
  readonly model: ModelFacts
  readonly tinyModel: ModelFacts
  /** Absent where the accuracy suite does not run. */
  readonly accuracy?: AccuracyTask | undefined
  /** What the int8 suite quantizes; empty where it does not run. */
  readonly int8Models: readonly ModelFacts[]
  readonly jpegs: JpegSet
  readonly backends: readonly string[]
  readonly precisions: readonly Precision[]
  readonly scenarios: readonly ScenarioName[]
  readonly batches: readonly number[]
  /** Time that a row is measured for; rows of short runs take a fraction of it. */
  readonly seconds: number
  /** A folder of this run alone. */
  readonly folder: string
}

/** A piece of a suite that is measured on its own. */
export interface Step {
  /** For the progress display. */
  readonly title: string
  /** Estimated time, to weigh the step within the whole. */
  readonly seconds: number
  run(onProgress: (share: number) => void): Promise<Outcome>
}

/** Where this run keeps its plans; the user's own cache is left alone. */
export const planFolder = ({ folder }: SuiteSettings): string => join(folder, 'plans')

export const PLAIN = 'plain onnxruntime-node'

/** What the paired differences of the preprocess suite refer to. */
export const SHARP_ALONE = 'sharp alone (pixels only)'
export const NORMALISE_ALONE = 'normalisation and layout alone'

/** Enough for a 99.9th percentile with dozens of samples beyond it. */
export const MAX_SAMPLES = 50_000

/** Starting the processes, loading and warming up, per subject. */
export const OPEN_SECONDS = 2
