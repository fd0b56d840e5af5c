import { dirname } from 'node:path'
import {
  ConfigError,
  type Engine,
  type EngineReport,
  type ExecutionContext,
  type Feeds,
  type Fetches,
  ModelError,
  type Plan,
  payloadFileName,
  type RunOptions,
} from '@lowlat/core'
import { type CpuOptions, inlineLimitKnob, loadOptions } from './options.ts'
import { runsInline } from './ort-types.ts'
import { OrtWorker } from './ort-worker.ts'
import { readPlanModel } from './plan-file.ts'
import type { PlanModel } from './protocol.ts'
import { InlineRunner, type Runner, WorkerRunner } from './runners.ts'

/** A shape that ran during the warm-up. */
interface Observed {
  readonly feeds: Feeds
  /** Least time in the library. */
  leastUs: number
}

/** Runs per shape that decide whether the calling thread is quick enough. */
const TRIAL_RUNS = 10
/** A worker's time beyond which a trial is pointless: one thread without wake-ups is not that much faster. */
const TRIAL_BELOW = 8

interface OpenPlan {
  /** The model without its weights, which lie in `folder`. */
  readonly model: Uint8Array
  readonly folder: string
}

async function openPlan({ payload }: Plan): Promise<OpenPlan> {
  if (payload.kind === 'file') return { model: await readPlanModel(payload.path), folder: dirname(payload.path) }
  throw new ModelError('PLAN_INVALID', {
    message: 'Expected the plan of the CPU backend as a file, which is mapped, got bytes.',
    remedy: `Write the bytes to a file named '${payloadFileName}' and pass its path.`,
    received: payload.kind,
  })
}

function noFloat16Inline(): ConfigError {
  return new ConfigError('CONFIG_INVALID', {
    message:
      "Placement 'inline' cannot take float16 inputs or outputs on this version of Node.js, which has a Float16Array.",
    remedy: "Use placement 'worker' or 'auto'.",
    received: 'inline',
  })
}

/** ONNX Runtime sessions in worker threads, or in the calling thread where a run is short enough. */
export class CpuEngine implements Engine {
  readonly inputs: Engine['inputs']
  readonly outputs: Engine['outputs']
  readonly profiles: Engine['profiles']
  readonly preferredContexts: number
  readonly #options: CpuOptions
  readonly #model: PlanModel
  readonly #folder: string
  #workers: readonly OrtWorker[] = []
  #inline: InlineRunner | undefined
  #contexts = 0
  /** By shape; undefined once the placement is settled. */
  #observed: Map<string, Observed> | undefined = new Map()

  private constructor(plan: Plan, { model, folder }: OpenPlan, options: CpuOptions) {
    this.inputs = plan.inputs
    this.outputs = plan.outputs
    this.profiles = plan.profiles
    this.preferredContexts = options.workers
    this.#options = options
    this.#model = { bytes: model }
    this.#folder = folder
  }

  /** @throws ModelError PLAN_INVALID; BackendError OUT_OF_MEMORY or WORKER_DIED. */
  static async load(plan: Plan, options: CpuOptions): Promise<CpuEngine> {
    if (options.placement === 'inline' && !runsInline([...plan.inputs, ...plan.outputs])) throw noFloat16Inline()
    const engine = new CpuEngine(plan, await openPlan(plan), options)
    try {
      if (options.placement === 'inline') engine.#inline = await engine.#createInline(options.threads)
      else await engine.#startWorkers()
      return engine
    } catch (error) {
      await engine[Symbol.asyncDispose]()
      throw error
    }
  }

  async #startWorkers(): Promise<void> {
    const session = {
      kind: 'create',
      model: this.#model,
      options: loadOptions(this.#options.threads, this.#folder),
    } as const
    this.#workers = Array.from({ length: this.#options.workers }, () => new OrtWorker(session))
    // All, also when one fails: a thread that is ended while it creates a session takes the process with it.
    const created = await Promise.allSettled(this.#workers.map((worker) => worker.create()))
    for (const result of created) if (result.status === 'rejected') throw result.reason
  }

  #createInline(threads: number): Promise<InlineRunner> {
    return InlineRunner.create(this.#model, loadOptions(threads, this.#folder), this.inputs)
  }

  async createContext(): Promise<ExecutionContext> {
    const worker = this.#workers[this.#contexts++ % Math.max(1, this.#workers.length)]
    const inWorker = worker && new WorkerRunner(worker, this.inputs)
    return {
      run: (feeds, options = {}) => this.#run((this.#inline ?? inWorker)!, feeds, options),
      profile: async (feeds, runs) => {
        const { profileLayers } = await import('./profile.ts')
        return profileLayers(this.#model, loadOptions(this.#threads, this.#folder), this.inputs, feeds, runs)
      },
      [Symbol.asyncDispose]: async () => {},
    }
  }

  #run(runner: Runner, feeds: Feeds, options: RunOptions): Promise<Fetches> {
    return runner.run(feeds, options, (computeUs) => {
      if (!this.#observed) return
      const shapes = this.inputs.map((input) => feeds[input.name]?.shape.join('x')).join(';')
      const known = this.#observed.get(shapes)
      if (known) known.leastUs = Math.min(known.leastUs, computeUs)
      else this.#observed.set(shapes, { feeds, leastUs: computeUs })
    })
  }

  /** Moves into the calling thread where the slowest shape is quick enough there. */
  async warmedUp(): Promise<void> {
    const [slowest] = [...(this.#observed?.values() ?? [])].sort((a, b) => b.leastUs - a.leastUs)
    this.#observed = undefined
    const limitUs = inlineLimitKnob.read()
    if (this.#options.placement !== 'auto' || !slowest || slowest.leastUs > TRIAL_BELOW * limitUs) return
    if (!runsInline([...this.inputs, ...this.outputs])) return
    // Waking a second thread costs more than it brings in a run of this length.
    const inline = await this.#createInline(1)
    let leastUs = Number.POSITIVE_INFINITY
    for (let run = 0; run < TRIAL_RUNS; run++) {
      await inline.run(slowest.feeds, {}, (computeUs) => {
        leastUs = Math.min(leastUs, computeUs)
      })
    }
    if (leastUs > limitUs) return inline.release()
    this.#inline = inline
    const idle = this.#workers
    this.#workers = []
    await Promise.all(idle.map((worker) => worker.dispose()))
  }

  /** Threads of each session. */
  get #threads(): number {
    return this.#inline && this.#options.placement === 'auto' ? 1 : this.#options.threads
  }

  inspect(): EngineReport {
    const { mode } = this.#options
    const placement = this.#inline ? 'inline' : 'worker'
    return { backend: 'cpu', properties: { placement, mode, threads: this.#threads, workers: this.#workers.length } }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.dispose()))
    await this.#inline?.release()
  }
}
