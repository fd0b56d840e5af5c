import { type LowlatError, messageOf, withoutRemedy } from '@lowlat/core'
import type { ProcessCost } from './protocol.ts'
import { type Failure, type MeasuredRow, noAccuracy, type Row, type SuiteName, type Unavailable } from './report.ts'
import { summarize } from './statistics.ts'
import type { SubjectSpec } from './subjects/spec.ts'

/** A subject and what it is called in the table. */
export interface Entry {
  readonly subject: string
  readonly backend: string
  /** What the others are compared with; at most one in a group. */
  readonly peer: boolean
  /** Does only a part of the peer's work: its row has no ratio. */
  readonly partial?: boolean
  /** Where it is not that of the group. */
  readonly precision?: string
  readonly spec: SubjectSpec
}

/** Subjects that are measured against each other, and what their rows have in common. */
export interface Group<S extends Row['scenario'] = Row['scenario']> {
  readonly suite: SuiteName
  readonly model: string
  readonly precision: string
  readonly scenario: S
  /** Images (or rows) per request. */
  readonly batch: number
  readonly entries: readonly Entry[]
}

/** What was measured of one subject. */
interface Measured extends ProcessCost {
  readonly samplesUs: Float64Array
  readonly requests: number
  /** Time in which the requests were served. */
  readonly elapsedUs: number
  readonly cpuUs: number
}

/** @throws InputError INVALID_ARGUMENT when no request was served. */
export function rowOf(
  { suite, model, precision, scenario, batch }: Group,
  entry: Entry,
  measured: Measured,
): MeasuredRow {
  const { p50Us, p90Us, p99Us, p999Us } = summarize(measured.samplesUs)
  const images = measured.requests * batch
  return {
    suite,
    subject: entry.subject,
    model,
    backend: entry.backend,
    precision: entry.precision ?? precision,
    scenario,
    batch,
    p50Us,
    p90Us,
    p99Us,
    p999Us,
    throughput: (images / measured.elapsedUs) * 1e6,
    cpuUs: measured.cpuUs / images,
    eventLoopDelayP99Us: measured.eventLoopDelayP99Us,
    peakRssBytes: measured.peakRssBytes,
    ratioToPeer: null,
    ...noAccuracy,
    peer: entry.peer,
    samplesUs: measured.samplesUs,
  }
}

/** Fills in how many times as fast as the peer each row of a group is. */
export function withRatios(rows: readonly MeasuredRow[]): MeasuredRow[] {
  const peer = rows.find((row) => row.peer)
  if (!peer) return [...rows]
  return rows.map((row) => ({
    ...row,
    ratioToPeer: row.scenario === 'offline' ? row.throughput / peer.throughput : peer.p50Us / row.p50Us,
  }))
}

export function failureOf(
  { suite, model, scenario, batch }: Group,
  { subject, backend }: Entry,
  error: unknown,
): Failure {
  return { suite, subject: `${subject} (${backend})`, model, scenario, batch, reason: messageOf(error) }
}

const NOT_HERE: ReadonlySet<string> = new Set([
  'BACKEND_NOT_INSTALLED',
  'BACKEND_UNAVAILABLE',
  'BACKEND_UNKNOWN',
  'MODEL_UNSUPPORTED',
  'PRECISION_UNAVAILABLE',
])

/** Errors that say "this cannot run here" rather than "this went wrong". */
export const isNotHere = ({ code }: LowlatError): boolean => NOT_HERE.has(code)

export function unavailableOf({ precision }: Group, { backend }: Entry, error: LowlatError): Unavailable {
  return { backend, precision, reason: withoutRemedy(error), remedy: error.remedy }
}
