import type { ErrorCode } from '@lowlat/core'
import type { AccuracyRequest } from './accuracy/host.ts'
import type { Accuracy, AccuracyChoice, AccuracyTask, Variant, VariantFile } from './accuracy/task.ts'
import type { JpegSet } from './images.ts'
import type { ModelChoice } from './models.ts'
import type { QuantizationRequest } from './quantized-model.ts'
import type { Slice } from './scenarios/closed-loop.ts'
import type { ScenarioName } from './scenarios/definitions.ts'
import type { Arrivals } from './scenarios/open-loop.ts'
import type { ModelFacts, SubjectSpec } from './subjects/spec.ts'

/** What a child process can be asked: one task at a time, each answered once. */
export interface Tasks {
  jpegs: { request: { folder: string }; response: JpegSet }
  model: { request: ModelChoice; response: ModelFacts }
  /** Says why a backend cannot be used here; undefined when it can. */
  probe: { request: { backend: string }; response: Absence | undefined }
  /** Creates the subject and warms it up. */
  open: { request: SubjectSpec; response: Opened }
  slice: { request: SliceRequest; response: SliceResult }
  /** Disposes the subject and says what its process took. */
  close: { request: undefined; response: ProcessCost }
  /** Creates a subject, lets it answer once, and disposes it. */
  coldStart: { request: SubjectSpec; response: ColdStart }
  /** Creates several subjects, measures them in turns, call by call, and disposes them. */
  paired: { request: PairedRequest; response: PairedResult }
  /** Checks that a classifier and its pictures fit. */
  accuracyTask: { request: AccuracyChoice; response: AccuracyTask }
  accuracyOpen: { request: AccuracyRequest; response: undefined }
  accuracyPrepare: { request: Variant; response: VariantFile }
  /** Evaluates the next pictures, and says how many have been so far. */
  accuracyEvaluate: { request: { count: number }; response: number }
  accuracyResults: { request: undefined; response: Accuracy[] }
  /** Writes a model in INT8, quantized in the quickest way. */
  quantize: { request: QuantizationRequest; response: undefined }
}

export interface PairedRequest {
  readonly specs: readonly SubjectSpec[]
  /** Of all subjects together. */
  readonly durationUs: number
  /** Per subject. */
  readonly maxSamples: number
}

export interface PairedResult extends ProcessCost {
  /** In the order of the specs; samples of equal index are neighbours in time. */
  readonly subjects: readonly { readonly samplesUs: Float64Array; readonly cpuUs: number }[]
}

export interface Absence {
  readonly reason: string
  readonly remedy: string
}

export interface Opened {
  /** Latency of the fastest warm-up request: what the subject takes when nothing gets in its way. */
  readonly fastestUs: number
  /** Checksums of the first answers, to compare subjects by. */
  readonly answers: readonly number[]
}

export interface SliceRequest {
  readonly scenario: ScenarioName
  readonly durationUs: number
  readonly maxSamples: number
  readonly arrivals: Arrivals
}

export interface SliceResult extends Slice {
  readonly cpuUs: number
}

export interface ProcessCost {
  readonly eventLoopDelayP99Us: number
  readonly peakRssBytes: number
  /** Consumed results, so that no work can be optimised away. */
  readonly checksum: number
}

export interface ColdStart extends ProcessCost {
  readonly latencyUs: number
  readonly cpuUs: number
}

export type TaskKind = keyof Tasks
export type TaskMessage = { [K in TaskKind]: { readonly kind: K; readonly request: Tasks[K]['request'] } }[TaskKind]

export type Reply =
  | { readonly ok: true; readonly response: unknown }
  | { readonly ok: false; readonly error: ErrorReport }

/** An error on its way between processes. */
export interface ErrorReport {
  readonly message: string
  readonly code?: ErrorCode
  readonly remedy?: string
}
