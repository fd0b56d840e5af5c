import { join } from 'node:path'
import { isLowlatError } from '@lowlat/core'
import { performAlone } from '../child-process.ts'
import { type Entry, failureOf, type Group, isNotHere, rowOf, unavailableOf, withRatios } from '../group.ts'
import type { ColdStart } from '../protocol.ts'
import type { Failure, MeasuredRow, Outcome, Unavailable } from '../report.ts'
import type { Load, SubjectSpec } from '../subjects/spec.ts'
import { PLAIN, type Step, type SuiteSettings } from './settings.ts'

const REPETITIONS_PER_SECOND = 0.8
const MIN_REPETITIONS = 3
const SECONDS_PER_START = 1

/** Every repetition of a subject may need a spec of its own: a cold cache is cold only once. */
interface ColdEntry extends Entry {
  readonly specOf: (repetition: number) => SubjectSpec
}

/**
 * Load and first answer in a process that has done nothing before, except importing the library. Every repetition is a
 * new process; subjects take turns. The model's file is in the operating system's cache for all of them.
 */
export function coldStartSteps({ model, backends, precisions, seconds, folder }: SuiteSettings): Step[] {
  const repetitions = Math.max(MIN_REPETITIONS, Math.round(seconds * REPETITIONS_PER_SECOND))
  const load: Load = { model, batch: 1 }
  return precisions.map((precision) => {
    const lowlat = (subject: string, backend: string, cacheOf: (repetition: number) => string): ColdEntry => {
      const specOf = (repetition: number): SubjectSpec => ({
        kind: 'lowlat',
        load,
        // The first answer is what is waited for: a warm-up would only run the model before it.
        session: { backend, precision, warmup: false, cacheFolder: cacheOf(repetition) },
      })
      return { subject, backend, peer: false, spec: specOf(0), specOf }
    }
    const plain: SubjectSpec = { kind: 'plain', load }
    const cache = join(folder, `cold-${precision}`)
    const entries = [
      ...backends.flatMap((backend) => [
        lowlat('lowlat, warm plan cache', backend, () => join(cache, 'warm')),
        lowlat('lowlat, cold plan cache', backend, (repetition) => join(cache, `${backend}-${repetition}`)),
      ]),
      { subject: PLAIN, backend: 'none', peer: true, spec: plain, specOf: () => plain },
    ]
    const group = {
      suite: 'coldstart',
      model: model.label,
      precision,
      scenario: 'load + first run',
      batch: 1,
      entries,
    } as const
    return {
      title: `coldstart: ${model.label}, ${precision}`,
      seconds: repetitions * entries.length * SECONDS_PER_START,
      run: (onProgress) => runColdStarts(group, repetitions, onProgress),
    }
  })
}

interface ColdGroup extends Group {
  readonly entries: readonly ColdEntry[]
}

async function runColdStarts(
  group: ColdGroup,
  repetitions: number,
  onProgress: (share: number) => void,
): Promise<Outcome> {
  const unavailable: Unavailable[] = []
  const failures: Failure[] = []
  const starts = new Map<ColdEntry, ColdStart[]>(group.entries.map((entry) => [entry, []]))
  // Repetition 0 is not counted: it fills the warm cache, and the operating system's cache of files.
  for (let repetition = 0; repetition <= repetitions; repetition++) {
    const order = repetition % 2 === 0 ? [...starts.keys()] : [...starts.keys()].reverse()
    for (const [turn, entry] of order.entries()) {
      try {
        const start = await performAlone('coldStart', entry.specOf(repetition))
        if (repetition > 0) starts.get(entry)?.push(start)
      } catch (error) {
        starts.delete(entry)
        if (!isLowlatError(error) || !isNotHere(error)) failures.push(failureOf(group, entry, error))
        else if (!unavailable.some(({ backend }) => backend === entry.backend)) {
          unavailable.push(unavailableOf(group, entry, error))
        }
      }
      onProgress((repetition + (turn + 1) / order.length) / (repetitions + 1))
    }
    if (![...starts.keys()].some((entry) => !entry.peer)) return { rows: [], unavailable, failures }
  }
  const rows = [...starts].map(([entry, measured]) => rowFrom(group, entry, measured))
  return { rows: withRatios(rows), unavailable, failures }
}

function rowFrom(group: ColdGroup, entry: ColdEntry, starts: readonly ColdStart[]): MeasuredRow {
  const sum = (pick: (start: ColdStart) => number) => starts.reduce((total, start) => total + pick(start), 0)
  const max = (pick: (start: ColdStart) => number) => Math.max(...starts.map(pick))
  return rowOf(group, entry, {
    samplesUs: Float64Array.from(starts, ({ latencyUs }) => latencyUs),
    requests: starts.length,
    elapsedUs: sum(({ latencyUs }) => latencyUs),
    cpuUs: sum(({ cpuUs }) => cpuUs),
    eventLoopDelayP99Us: max(({ eventLoopDelayP99Us }) => eventLoopDelayP99Us),
    peakRssBytes: max(({ peakRssBytes }) => peakRssBytes),
    checksum: sum(({ checksum }) => checksum),
  })
}
