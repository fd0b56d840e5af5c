import {
  disposeAll,
  type ExecutionContext,
  type Feeds,
  type Fetches,
  feedList,
  type LayerTiming,
  type RunOptions,
} from '@lowlat/core'
import {
  acquire,
  contextDisposed,
  GraphCache,
  graphKey,
  type Lease,
  type Resources,
  Workspace,
  type WorkspaceSizes,
} from '@lowlat/cuda-driver'
import type { CudaEngine } from './engine.ts'
import { Execution } from './execution.ts'
import type { Prepared } from './prepared.ts'
import { profileExecution } from './profile.ts'
import { Recorder } from './recorder.ts'
import { RunControl } from './run-control.ts'

/**
 * A stream with memory of its own. For each combination of input shapes that runs, CUDA graphs are captured and kept, the
 * least recently used ones up to a bound; the first run of a combination takes some milliseconds more.
 */
export class CudaExecutionContext implements ExecutionContext {
  readonly #engine: CudaEngine
  readonly #workspace: Workspace
  readonly #control: RunControl
  readonly #resources: Resources
  readonly #executions: GraphCache<Execution>
  #disposed: Promise<void> | undefined

  /** @throws BackendError OUT_OF_MEMORY and others; nothing is kept then. */
  constructor(engine: CudaEngine, sizes: WorkspaceSizes) {
    this.#engine = engine
    this.#executions = new GraphCache(engine.options.graphs)
    const parts = acquire((resources) => {
      const workspace = resources.own(new Workspace(engine.gpu.context, sizes))
      return { workspace, control: resources.own(new RunControl(workspace.stream)), resources }
    })
    this.#workspace = parts.workspace
    this.#control = parts.control
    this.#resources = parts.resources
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
    if (this.#disposed) throw contextDisposed()
    const list = feedList(feeds, this.#engine.inputs)
    const values = new Map(list.map(({ name, tensor }) => [name, tensor]))
    const key = graphKey(
      list.map(({ tensor }) => tensor.shape),
      outputs,
    )
    const known = this.#executions.get(key)
    if (known) return { execution: known, values }
    const inputShapes = Object.fromEntries(list.map(({ name, tensor }) => [name, tensor.shape]))
    const lease = await this.#engine.acquire({ inputShapes, outputs })
    await this.#engine.ownTurn()
    if (this.#disposed) {
      // While it was lowered; the memory that it would be captured with is gone.
      await lease.release()
      throw contextDisposed()
    }
    return { execution: await this.#capture(key, lease), values }
  }

  async #capture(key: string, lease: Lease<Prepared>): Promise<Execution> {
    try {
      await this.#workspace.idle()
      return await this.#executions.add(key, async () => {
        const { sizes } = lease.value
        if (!this.#workspace.holds(sizes)) {
          await this.#executions.clear() // they hold addresses of what is replaced
          this.#workspace.grow(sizes)
        }
        const recorder = this.#recorderOf(lease.value)
        recorder.prepare()
        await this.#engine.ownTurn()
        if (this.#disposed) throw contextDisposed()
        return new Execution(this.#workspace, lease, recorder)
      })
    } catch (error) {
      await lease.release()
      throw error
    }
  }

  #recorderOf(prepared: Prepared): Recorder {
    const engine = this.#engine
    return new Recorder({
      workspace: this.#workspace,
      control: this.#control,
      prepared,
      module: engine.gpu.module,
      constantAddress: (buffer) => engine.constantAddress(buffer),
    })
  }

  /** Waits for what still runs after a failure, and frees everything. Safe to call again. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#shutDown()
    return this.#disposed
  }

  async #shutDown(): Promise<void> {
    try {
      await this.#workspace.idle()
    } finally {
      await disposeAll([this.#executions, this.#resources])
      this.#engine.forget(this) // last: until then the engine has to wait
    }
  }
}
