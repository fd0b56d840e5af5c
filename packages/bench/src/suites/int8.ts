import { randomUUID } from 'node:crypto'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Target } from '@lowlat/quantize'
import { FLOAT_SUBJECT, isTarget } from '../accuracy/variants.ts'
import { performAlone } from '../child-process.ts'
import type { LoadGroup } from '../driver.ts'
import { failureOf } from '../group.ts'
import { runPaired } from '../paired.ts'
import type { Outcome } from '../report.ts'
import type { ModelFacts } from '../subjects/spec.ts'
import { oneThreadEntry } from './one-thread.ts'
import { MAX_SAMPLES, type Step, type SuiteSettings } from './settings.ts'

/** For the progress display: quantizing a model, and loading both. */
const PREPARE_SECONDS = 20

/**
 * Each model as it is given against itself quantized for the backend: one thread each, call by call in one process. What
 * accuracy costs is the accuracy suite's matter: here the ranges come from a single request.
 */
export function int8Steps(settings: SuiteSettings): Step[] {
  const { backends, int8Models, seconds } = settings
  return backends.filter(isTarget).flatMap((backend) =>
    int8Models.map((model) => ({
      title: `int8: ${model.label}, ${backend}`,
      seconds: PREPARE_SECONDS + 2 * seconds,
      run: (onProgress) => measure(settings, model, backend, onProgress),
    })),
  )
}

async function measure(
  settings: SuiteSettings,
  model: ModelFacts,
  backend: Target,
  onProgress: (share: number) => void,
): Promise<Outcome> {
  const path = join(settings.folder, `int8-${randomUUID()}.onnx`)
  const entry = (subject: string, precision: string, file: string) =>
    oneThreadEntry(settings, { ...model, path: file }, { subject, backend, precision, peer: file === model.path })
  const group: LoadGroup = {
    suite: 'int8',
    model: model.label,
    precision: 'fp32',
    scenario: 'single-stream',
    batch: 1,
    entries: [entry(FLOAT_SUBJECT, 'fp32', model.path), entry('INT8', 'int8', path)],
    seconds: settings.seconds,
    maxSamples: MAX_SAMPLES,
    sameAnswers: false,
  }
  try {
    // In a process of its own: what quantizing leaves in memory and caches is gone before anything is timed.
    await performAlone('quantize', { model, target: backend, path })
    onProgress(0.5)
    const { rows, ...rest } = await runPaired(group)
    const files = await Promise.all([model.path, path].map((file) => stat(file)))
    return { rows: rows.map((row, index) => ({ ...row, sizeBytes: files[index]!.size })), ...rest }
  } catch (error) {
    return { rows: [], unavailable: [], failures: [failureOf(group, group.entries[1]!, error)] }
  } finally {
    // The largest model has hundreds of megabytes.
    await rm(path, { force: true })
  }
}
