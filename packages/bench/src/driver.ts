import { isLowlatError } from '@lowlat/core'
import { performAlone, TaskProcess } from './child-process.ts'
import { type Entry, failureOf, type Group, isNotHere, rowOf, unavailableOf, withRatios } from './group.ts'
import type { Opened, SliceRequest } from './protocol.ts'
import type { Failure, MeasuredRow, Outcome, Unavailable } from './report.ts'
import { SampleBuffer } from './sample-buffer.ts'
import { type ScenarioName, SERVER_LOAD } from './scenarios/definitions.ts'

/** Subjects take turns of about two seconds: long enough for queues to build up, short against a machine's moods. */
const TURN_SECONDS = 2
const MIN_ROUNDS = 2
/** Relative difference of checksums: pixels that differ by rounding, and numbers that do in float16 and INT8. */
const SAME_ANSWER = 0.1

export interface LoadGroup extends Group<ScenarioName> {
  /** Time that each subject is measured for. */
  readonly seconds: number
  readonly maxSamples: number
  /** Whether the subjects' answers must agree. */
  readonly sameAnswers: boolean
}

interface Running {
  readonly entry: Entry
  readonly process: TaskProcess
  readonly opened: Opened
  readonly samples: SampleBuffer
  requests: number
  elapsedUs: number
  cpuUs: number
}

/**
 * Measures a group: one process per subject, all open at the same time, one working at a time, in turns of alternating
 * order (A B, B A, ...), so that a slow minute of the machine meets every subject alike.
 *
 * @param onProgress told the share of the group's time that is over.
 */
export async function runGroup(group: LoadGroup, onProgress: (share: number) => void = () => {}): Promise<Outcome> {
  const unavailable: Unavailable[] = []
  const failures: Failure[] = []
  const running = new Set<Running>()
  const drop = async (subject: Running, error: unknown) => {
    failures.push(failureOf(group, subject.entry, error))
    running.delete(subject)
    await subject.process[Symbol.asyncDispose]()
  }
  try {
    // The peer opens last: without anything to compare it with, it is not measured.
    for (const entry of [...group.entries].sort((a, b) => Number(a.peer) - Number(b.peer))) {
      if (entry.peer && running.size === 0) break
      const process = new TaskProcess()
      try {
        // Compiling takes memory that belongs to no row: the plan is in the cache when the subject opens.
        if (entry.spec.kind === 'lowlat') await performAlone('coldStart', entry.spec)
        const opened = await process.perform('open', entry.spec)
        running.add({ entry, process, opened, samples: new SampleBuffer(), requests: 0, elapsedUs: 0, cpuUs: 0 })
      } catch (error) {
        await process[Symbol.asyncDispose]()
        if (isLowlatError(error) && isNotHere(error)) unavailable.push(unavailableOf(group, entry, error))
        else failures.push(failureOf(group, entry, error))
      }
    }
    if (group.sameAnswers) {
      for (const subject of differing([...running])) {
        await drop(subject, 'its answers differ from those of the peer: the two do not do the same work')
      }
    }

    // The same rate for all, set by the slowest.
    const slowestUs = Math.max(...[...running].map(({ opened }) => opened.fastestUs))
    const ratePerSecond = (SERVER_LOAD * 1e6) / slowestUs
    const rounds = Math.max(MIN_ROUNDS, Math.round(group.seconds / TURN_SECONDS))
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? [...running] : [...running].reverse()
      for (const [turn, subject] of order.entries()) {
        const request: SliceRequest = {
          scenario: group.scenario,
          durationUs: (group.seconds * 1e6) / rounds,
          maxSamples: Math.ceil(group.maxSamples / rounds),
          arrivals: { ratePerSecond, seed: round + 1 },
        }
        await takeTurn(subject, request).catch((error: unknown) => drop(subject, error))
        onProgress((round + (turn + 1) / order.length) / rounds)
      }
    }

    const rows: MeasuredRow[] = []
    for (const subject of running) {
      try {
        const row = await finish(group, subject)
        rows.push(group.scenario === 'server' ? { ...row, offeredPerSecond: ratePerSecond * group.batch } : row)
      } catch (error) {
        await drop(subject, error)
      }
    }
    return { rows: withRatios(rows), unavailable, failures }
  } finally {
    for (const { process } of running) await process[Symbol.asyncDispose]()
  }
}

async function takeTurn(subject: Running, request: SliceRequest): Promise<void> {
  const slice = await subject.process.perform('slice', request)
  subject.samples.append(slice.latenciesUs)
  subject.requests += slice.requests
  subject.elapsedUs += slice.elapsedUs
  subject.cpuUs += slice.cpuUs
}

async function finish(group: LoadGroup, { entry, process, samples, requests, elapsedUs, cpuUs }: Running) {
  const cost = await process.perform('close', undefined)
  return rowOf(group, entry, { ...cost, samplesUs: samples.toArray(), requests, elapsedUs, cpuUs })
}

function differing(running: readonly Running[]): Running[] {
  const peer = running.find(({ entry }) => entry.peer)
  if (!peer) return []
  return running.filter(({ opened }) =>
    opened.answers.some((answer, index) => {
      const expected = peer.opened.answers[index]!
      return !(Math.abs(answer - expected) <= SAME_ANSWER * Math.abs(expected))
    }),
  )
}
