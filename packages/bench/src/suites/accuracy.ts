import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '@lowlat/core'
import type { Target } from '@lowlat/quantize'
import type { Accuracy, AccuracyTask, Variant, VariantFile } from '../accuracy/task.ts'
import { FLOAT_SUBJECT, isTarget, variantsOf } from '../accuracy/variants.ts'
import { TaskProcess } from '../child-process.ts'
import type { LoadGroup } from '../driver.ts'
import { runPaired } from '../paired.ts'
import type { Failure, Outcome } from '../report.ts'
import { oneThreadEntry } from './one-thread.ts'
import { MAX_SAMPLES, type Step, type SuiteSettings } from './settings.ts'

/** A small model has enough samples sooner. */
const REFERENCE_SHARE = 0.1
/** For the progress display: making and evaluating a variant. */
const VARIANT_SECONDS = 3
const PICTURES_AT_ONCE = 50

/**
 * A classifier in float, in half precision and quantized in several ways: how accurate, how fast, how large. All
 * variants see the same pictures, and are timed call by call in one process, with one thread each.
 */
export function accuracySteps(settings: SuiteSettings): Step[] {
  const { accuracy: task, backends, seconds } = settings
  if (!task) return []
  return backends.filter(isTarget).map((backend) => {
    const variants = variantsOf(task, backend)
    const timed = task.reference ? seconds * REFERENCE_SHARE : seconds
    return {
      title: `accuracy: ${task.label}`,
      seconds: variants.length * (timed + VARIANT_SECONDS),
      run: (onProgress) => new AccuracyRun(settings, task, backend, timed).run(variants, onProgress),
    }
  })
}

interface Made {
  readonly variant: Variant
  readonly file: VariantFile
}

class AccuracyRun {
  readonly #settings: SuiteSettings
  readonly #task: AccuracyTask
  readonly #backend: Target
  readonly #seconds: number
  readonly #failures: Failure[] = []

  constructor(settings: SuiteSettings, task: AccuracyTask, backend: Target, seconds: number) {
    this.#settings = settings
    this.#task = task
    this.#backend = backend
    this.#seconds = seconds
  }

  async run(variants: readonly Variant[], onProgress: (share: number) => void): Promise<Outcome> {
    try {
      const made: Made[] = []
      const accuracies = await this.#evaluate(variants, made, (share) => onProgress(share * 0.6))
      const { rows, failures } = await runPaired(this.#group(made))
      this.#failures.push(...failures)
      const complete = rows.map((row, i) => ({ ...row, ...accuracies[i]!, sizeBytes: made[i]!.file.sizeBytes }))
      return { rows: complete, unavailable: [], failures: this.#failures }
    } catch (error) {
      this.#failures.push(this.#failure('all variants', error))
      return { rows: [], unavailable: [], failures: this.#failures }
    }
  }

  /** In a process of its own, which is gone before anything is timed. */
  async #evaluate(
    variants: readonly Variant[],
    made: Made[],
    onProgress: (share: number) => void,
  ): Promise<Accuracy[]> {
    const folder = join(this.#settings.folder, `accuracy-${this.#backend}`)
    await mkdir(folder, { recursive: true })
    const process = new TaskProcess()
    try {
      await process.perform('accuracyOpen', { task: this.#task, target: this.#backend, folder })
      for (const [index, variant] of variants.entries()) {
        try {
          made.push({ variant, file: await process.perform('accuracyPrepare', variant) })
        } catch (error) {
          // Without the model itself there is nothing to compare with.
          if (variant.subject === FLOAT_SUBJECT) throw error
          this.#failures.push(this.#failure(variant.subject, error))
        }
        onProgress((0.5 * (index + 1)) / variants.length)
      }
      const { evaluation } = this.#task
      const total = evaluation.kind === 'files' ? evaluation.files.length : evaluation.count
      for (let done = 0; done < total; ) {
        done = await process.perform('accuracyEvaluate', { count: PICTURES_AT_ONCE })
        onProgress(0.5 + (0.5 * done) / total)
      }
      return await process.perform('accuracyResults', undefined)
    } finally {
      await process[Symbol.asyncDispose]()
    }
  }

  #group(made: readonly Made[]): LoadGroup {
    const entries = made.map(({ variant: { subject, precision }, file: { path, inputs } }) =>
      oneThreadEntry(
        this.#settings,
        { path, label: subject, inputs, imageSize: undefined },
        { subject, backend: this.#backend, precision, peer: subject === FLOAT_SUBJECT },
      ),
    )
    return { ...this.#situation, entries, seconds: this.#seconds, maxSamples: MAX_SAMPLES, sameAnswers: false }
  }

  get #situation() {
    const { label } = this.#task
    return { suite: 'accuracy', model: label, precision: 'fp32', scenario: 'single-stream', batch: 1 } as const
  }

  #failure(subject: string, error: unknown): Failure {
    return { ...this.#situation, subject: `${subject} (${this.#backend})`, reason: messageOf(error) }
  }
}
