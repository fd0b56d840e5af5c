import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkBenchOptions } from './check-options.ts'
import { TaskProcess } from './child-process.ts'
import { readEnvironment } from './environment.ts'
import type { BenchOptions } from './options.ts'
import type { Failure, MeasuredRow, Outcome, Report, SuiteName, Unavailable } from './report.ts'
import type { ModelFacts } from './subjects/spec.ts'
import { accuracySteps } from './suites/accuracy.ts'
import { coldStartSteps } from './suites/coldstart.ts'
import { int8Steps } from './suites/int8.ts'
import { latencySteps } from './suites/latency.ts'
import { overheadSteps } from './suites/overhead.ts'
import { preprocessSteps } from './suites/preprocess.ts'
import type { Step, SuiteSettings } from './suites/settings.ts'

const suites: Readonly<Record<SuiteName, (settings: SuiteSettings) => Step[]>> = {
  latency: latencySteps,
  overhead: overheadSteps,
  preprocess: preprocessSteps,
  coldstart: coldStartSteps,
  accuracy: accuracySteps,
  int8: int8Steps,
}

/** Told how far a run of the bench is. */
export interface Progress {
  /** A part begins; `share` of the whole is done. */
  onStep(title: string, share: number): void
  onAdvance(share: number): void
  onOutcome(outcome: Outcome): void
}

/**
 * Runs the suites one after the other. What cannot run here is listed, what fails is listed too, and the rest goes on.
 * @throws ConfigError CONFIG_INVALID for bad options; ModelError when the model cannot be read; of the accuracy suite's
 * model and pictures, what `prepareAccuracy` throws.
 */
export async function runBench(options: BenchOptions, progress: Progress): Promise<Report> {
  checkBenchOptions(options)
  const environment = await readEnvironment(options.seconds)
  const folder = await mkdtemp(join(tmpdir(), 'lowlat-bench-'))
  // Plans take hundreds of megabytes: they go also when the process is ended by a signal's handler.
  const cleanUp = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', cleanUp)
  try {
    progress.onStep('preparing the model and the images', 0)
    const { settings, unavailable } = await prepare(options, folder)
    const steps = options.suites.flatMap((suite) => suites[suite](settings))
    const totalSeconds = steps.reduce((sum, step) => sum + step.seconds, 0)
    const rows: MeasuredRow[] = []
    const failures: Failure[] = []
    let doneSeconds = 0
    for (const step of steps) {
      progress.onStep(step.title, doneSeconds / totalSeconds)
      const outcome = await step.run((share) => progress.onAdvance((doneSeconds + share * step.seconds) / totalSeconds))
      progress.onOutcome(outcome)
      rows.push(...outcome.rows)
      failures.push(...outcome.failures)
      for (const missing of outcome.unavailable) addOnce(unavailable, missing)
      doneSeconds += step.seconds
    }
    return { environment, rows, unavailable, failures }
  } finally {
    process.off('exit', cleanUp)
    cleanUp()
  }
}

/** In a process of its own, so that this one stays small and idle while it measures others. */
async function prepare(
  options: BenchOptions,
  folder: string,
): Promise<{ settings: SuiteSettings; unavailable: Unavailable[] }> {
  const process = new TaskProcess()
  try {
    const unavailable: Unavailable[] = []
    const backends: string[] = []
    for (const backend of options.backends) {
      const absence = await process.perform('probe', { backend })
      if (absence) unavailable.push({ backend, precision: options.precisions.join(', '), ...absence })
      else backends.push(backend)
    }
    const int8Models: ModelFacts[] = []
    if (options.suites.includes('int8')) {
      for (const choice of options.int8Models) int8Models.push(await process.perform('model', choice))
    }
    const settings = {
      model: await process.perform('model', options.model),
      accuracy: options.suites.includes('accuracy')
        ? await process.perform('accuracyTask', options.accuracy)
        : undefined,
      int8Models,
      tinyModel: await process.perform('model', { kind: 'generated', name: 'tiny' }),
      jpegs: await process.perform('jpegs', { folder: join(folder, 'jpegs') }),
      backends,
      precisions: options.precisions,
      scenarios: options.scenarios,
      batches: options.batches,
      seconds: options.seconds,
      folder,
    }
    return { settings, unavailable }
  } finally {
    await process[Symbol.asyncDispose]()
  }
}

function addOnce(list: Unavailable[], { backend, precision, reason, remedy }: Unavailable): void {
  if (list.some((known) => known.backend === backend && known.precision === precision)) return
  list.push({ backend, precision, reason, remedy })
}
