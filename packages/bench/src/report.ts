import type { Environment } from './environment.ts'
import type { ScenarioName } from './scenarios/definitions.ts'

export const suiteNames = ['latency', 'overhead', 'preprocess', 'coldstart', 'accuracy', 'int8'] as const
export type SuiteName = (typeof suiteNames)[number]

/** Suites in which a model is compared with itself in other precisions, on one backend. */
export const comparesPrecisions = (suite: SuiteName): boolean => suite === 'accuracy' || suite === 'int8'

/** One subject in one situation. Times are microseconds. */
export interface Row {
  readonly suite: SuiteName
  readonly subject: string
  readonly model: string
  /** Backend of lowlat that ran the model; 'none' for peers and where no model runs. */
  readonly backend: string
  readonly precision: string
  readonly scenario: ScenarioName | 'load + first run'
  /** Images or rows per request. */
  readonly batch: number
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
  readonly p999Us: number
  /** Images (rows of a batch) per second; in coldstart, starts per second. */
  readonly throughput: number
  /** CPU time of all threads of the process while the subject was measured, per image. */
  readonly cpuUs: number
  /** 99th percentile of how much later than due a 10 ms timer fired in the main thread of the subject's process. */
  readonly eventLoopDelayP99Us: number
  /** Most memory that the subject's process had in use at any time; in preprocess one process holds all subjects. */
  readonly peakRssBytes: number
  /**
   * How many times as fast as the peer: p50 of the peer / p50 of the subject; in offline, throughput of the subject /
   * throughput of the peer. 1 for the peer itself, above 1 is faster, null where no peer was measured.
   */
  readonly ratioToPeer: number | null
  /** Whether the other rows of its group are compared with this one. */
  readonly peer: boolean
  /** Share of pictures, in percent, whose best class is the right one; null where accuracy was not measured. */
  readonly top1: number | null
  /** As `top1`, of the five best classes. */
  readonly top5: number | null
  /** What the peer's `top1` has more, in points. */
  readonly drop: number | null
  /** Share of pictures, in percent, that get the same class from the peer. */
  readonly agreement: number | null
  /** Of the model's file; null but in accuracy and int8. */
  readonly sizeBytes: number | null
  /** Latency of every query (beyond 50,000, of every second, fourth, ...) as they completed; in preprocess, equal positions are the same round and image. */
  readonly samplesUs: Float64Array
}

/** A row, and what only the tables of its own run show. */
export interface MeasuredRow extends Row {
  /** Rate of the Poisson arrivals, in the server scenario. */
  readonly offeredPerSecond?: number
}

/** The columns of a row that has no accuracy. */
export const noAccuracy = { top1: null, top5: null, drop: null, agreement: null, sizeBytes: null } as const

/** A backend (or a precision of it) that was asked for and cannot run here. */
export interface Unavailable {
  readonly backend: string
  readonly precision: string
  readonly reason: string
  readonly remedy: string
}

/** A measurement that was begun and failed. */
export interface Failure {
  readonly suite: SuiteName
  readonly subject: string
  readonly model: string
  readonly scenario: string
  readonly batch: number
  readonly reason: string
}

export interface Outcome {
  readonly rows: readonly MeasuredRow[]
  readonly unavailable: readonly Unavailable[]
  readonly failures: readonly Failure[]
}

export interface Report extends Outcome {
  readonly environment: Environment
}

/** Rows that were measured against each other, in the order of measurement. */
export function groupRows(rows: readonly MeasuredRow[]): MeasuredRow[][] {
  const groups = new Map<string, MeasuredRow[]>()
  for (const row of rows) {
    const precision = comparesPrecisions(row.suite) ? row.backend : row.precision
    const key = [row.suite, row.model, precision, row.scenario, row.batch].join('|')
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  return [...groups.values()]
}

/** The report as JSON; every time is rounded to a tenth of a microsecond. */
export function jsonFromReport({ environment, rows, unavailable, failures }: Report): string {
  return JSON.stringify({ environment, rows: rows.map(plainRow), unavailable, failures })
}

function plainRow(row: MeasuredRow): Record<keyof Row, unknown> {
  return {
    suite: row.suite,
    subject: row.subject,
    model: row.model,
    backend: row.backend,
    precision: row.precision,
    scenario: row.scenario,
    batch: row.batch,
    p50Us: tenth(row.p50Us),
    p90Us: tenth(row.p90Us),
    p99Us: tenth(row.p99Us),
    p999Us: tenth(row.p999Us),
    throughput: tenth(row.throughput),
    cpuUs: tenth(row.cpuUs),
    eventLoopDelayP99Us: tenth(row.eventLoopDelayP99Us),
    peakRssBytes: row.peakRssBytes,
    ratioToPeer: row.ratioToPeer === null ? null : Number(row.ratioToPeer.toPrecision(5)),
    peer: row.peer,
    top1: hundredth(row.top1),
    top5: hundredth(row.top5),
    drop: hundredth(row.drop),
    agreement: hundredth(row.agreement),
    sizeBytes: row.sizeBytes,
    samplesUs: Array.from(row.samplesUs, tenth),
  }
}

const tenth = (value: number) => Math.round(value * 10) / 10

const hundredth = (value: number | null) => (value === null ? null : Math.round(value * 100) / 100)
