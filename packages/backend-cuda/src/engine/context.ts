import {
  DisposedError,
  type ExecutionContext,
  type Feeds,
  type Fetches,
  type LayerTiming,
  type RunOptions,
  type Tensor,
} from '@lowlat/core'
import type { CudaEngine } from './engine.ts'
import { Execution } from './execution.ts'
import { feedTensors } from './feeds.ts'
import type { Prepared } from './prepared.ts'
import { profileExecution } from './profile.ts'
import { Recorder } from './recorder.ts'
import type { Lease } from './shared-cache.ts'
import { type Needs, Workspace } from './workspace.ts'

/**
 * A stream with memory of its own. For each combination of input shapes that runs, CUDA graphs are captured and kept, the
 * least recently used ones up to a bound; the first run of a combination takes some milliseconds more.
 */
export class CudaExecutionContext implements ExecutionContext {
  readonly #engine: CudaEngine
  readonly #workspace: Workspace
  /** Least recently used first. */
  readonly #executions = new Map<string, Execution>()
  #disposed: Promise<void> | undefined

  /** @throws BackendError OUT_OF_MEMORY and others; nothing is kept then. */
  constructor(engine: CudaEngine, needs: Needs) {
    this.#engine = engine
    this.#workspace = new Workspace(engine.gpu.context, needs)
  }

  /** @throws (as rejection) InputError; BackendError; DisposedError. */
  async run(feeds: Feeds, { outputs, timeline }: RunOptions = {}): Promise<Fetches> {
    const { execution, values } = await this.#prepare(feeds, outputs)
    return execution.run(values, timeline)
  }

  async profile(feeds: Feeds, runs: number): Promise<readonly LayerTiming[]> {
    const { execution, values } = await this.#prepare(feeds, undefined)
    return profileExecution(execution, this.#workspace, values, runs)
  }

  /** How many combinations of shapes are ready. */
  get graphs(): number {
    return this.#executions.size
  }

  async #prepare(feeds: Feeds, outputs: readonly string[] | undefined) {
    if (this.#disposed) throw disposedError()
    const tensors = feedTensors(feeds, this.#engine.inputs)
    const values = new Map(tensors.map((tensor, index) => [this.#engine.inputs[index]!.name, tensor]))
    const key = keyOf(tensors, outputs)
    const known = this.#executions.get(key)
    if (known) {
      this.#executions.delete(key)
      this.#executions.set(key, known)
      return { execution: known, values }
    }
    const inputShapes = Object.fromEntries([...values].map(([name, { shape }]) => [name, shape]))
    const lease = await this.#engine.acquire(key, { inputShapes, outputs })
    await this.#engine.ownTurn()
    if (this.#disposed) {
      // While it was lowered; the memory that it would be captured with is gone.
      await lease.release()
      throw disposedError()
    }
    const execution = await this.#capture(lease)
    this.#executions.set(key, execution)
    return { execution, values }
  }

  async #capture(lease: Lease<Prepared>): Promise<Execution> {
    try {
      await this.#workspace.idle()
      await this.#dropSurplus(this.#engine.options.graphs - 1)
      const needs = needsOf(lease.value)
      if (!this.#workspace.holds(needs)) {
        await this.#dropSurplus(0) // they hold addresses of what is replaced
        this.#workspace.grow(needs)
      }
      const { gpu } = this.#engine
      const recorder = new Recorder(this.#workspace, lease.value, gpu.module, (buffer) =>
        this.#engine.constantAddress(buffer),
      )
      return new Execution(this.#workspace, lease, recorder)
    } catch (error) {
      await lease.release()
      throw error
    }
  }

  async #dropSurplus(keep: number): Promise<void> {
    for (const [key, execution] of this.#executions) {
      if (this.#executions.size <= keep) return
      this.#executions.delete(key)
      await execution.dispose()
    }
  }

  /** Waits for what still runs after a failure, and frees everything. Safe to call again. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#shutDown()
    return this.#disposed
  }

  async #shutDown(): Promise<void> {
    this.#engine.forget(this)
    try {
      await this.#workspace.idle()
    } finally {
      try {
        await this.#dropSurplus(0)
      } finally {
        this.#workspace.dispose()
      }
    }
  }
}

export function needsOf({ arena, schedule }: Prepared): Needs {
  return { arenaBytes: arena.sizeBytes, stagingBytes: schedule.stagingBytes }
}

function keyOf(tensors: readonly Tensor[], outputs: readonly string[] | undefined): string {
  const shapes = tensors.map(({ shape }) => shape.join('x')).join(';')
  return outputs ? `${shapes}>${JSON.stringify([...outputs].sort())}` : shapes
}

function disposedError(): DisposedError {
  return new DisposedError({
    message: 'The execution context was disposed.',
    remedy: 'Create a new one, or dispose it only after the last run has settled.',
  })
}
