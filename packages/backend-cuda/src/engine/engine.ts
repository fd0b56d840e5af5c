import { disposeAll, type Engine, type EngineReport, type ExecutionContext, type Plan } from '@lowlat/core'
import {
  type DeviceMemory,
  engineDisposed,
  graphKey,
  type Lease,
  SharedCache,
  type WorkspaceSizes,
} from '@lowlat/cuda-driver'
import type { CudaOptions } from '../options.ts'
import { PlanFile } from '../plan/plan-file.ts'
import { PlanConstants } from '../plan/program-constants.ts'
import type { DeviceBuffer } from '../program/view.ts'
import { CudaExecutionContext } from './context.ts'
import { acquireGpu, deviceFacts, type Gpu, planFacts } from './gpu.ts'
import { type HostBackend, HostSessions } from './host-steps.ts'
import { knownShapes } from './known-shapes.ts'
import { type LoweringParts, Prepared, type RunShape } from './prepared.ts'
import { layersOf, propertiesOf } from './report.ts'
import { uploadWeights } from './upload.ts'

interface EngineParts {
  readonly gpu: Gpu
  readonly weights: DeviceMemory
  readonly lowering: LoweringParts
  readonly hosts: HostSessions
}

/** Two contexts let copies of one run overlap with the kernels of another. */
const PREFERRED_CONTEXTS = 2

/** A model on a device: its packed weights, shared by all contexts, and programs for the shapes that ran. */
export class CudaEngine implements Engine {
  readonly inputs: Engine['inputs']
  readonly outputs: Engine['outputs']
  readonly profiles: Engine['profiles']
  readonly preferredContexts = PREFERRED_CONTEXTS
  readonly gpu: Gpu
  readonly options: CudaOptions
  readonly #weights: DeviceMemory
  /** By key: weights that were packed after loading. */
  readonly #lateWeights = new Map<string, DeviceMemory>()
  readonly #lowering: LoweringParts
  readonly #hosts: HostSessions
  readonly #programs: SharedCache<Prepared>
  readonly #contexts = new Set<CudaExecutionContext>()
  /** Of contexts: for the shapes that are known before they run. */
  #sizes: WorkspaceSizes = { arenaBytes: 0, stagingBytes: 0 }
  /** What reports are about: the largest of the known shapes, or the last new one. */
  #reported: Prepared | undefined
  #lastTurn: Promise<void> = Promise.resolve()
  #disposed: Promise<void> | undefined

  private constructor({ inputs, outputs, profiles }: Plan, { gpu, weights, lowering, hosts }: EngineParts) {
    this.inputs = inputs
    this.outputs = outputs
    this.profiles = profiles
    this.gpu = gpu
    this.options = lowering.options
    this.#weights = weights
    this.#lowering = lowering
    this.#hosts = hosts
    this.#programs = new SharedCache(this.options.graphs)
  }

  /**
   * Brings a plan to the device.
   * @throws ModelError PLAN_INVALID or PLAN_STALE; BackendError OUT_OF_MEMORY, BACKEND_UNAVAILABLE and others. Nothing is
   * kept then.
   */
  static async load(plan: Plan, options: CudaOptions, host: HostBackend): Promise<CudaEngine> {
    await using file = await PlanFile.open(plan.payload, planFacts(options.device, options.tf32))
    const graph = await file.readGraph()
    const gpu = acquireGpu(options.device)
    let engine: CudaEngine
    try {
      const weights = await uploadWeights(file, gpu.context)
      const { precision, constants } = file.header
      const device = deviceFacts(gpu.properties)
      const lowering = { graph, precision, device, constants: new PlanConstants(constants), options }
      engine = new CudaEngine(plan, { gpu, weights, lowering, hosts: new HostSessions(host, options.graphs) })
    } catch (error) {
      gpu[Symbol.dispose]()
      throw error
    }
    try {
      await engine.#prepareKnown()
      return engine
    } catch (error) {
      await engine[Symbol.asyncDispose]().catch(() => {}) // the first error says why; this one would hide it
      throw error
    }
  }

  /** Host parts of known shapes are opened here, and contexts get memory that suffices for all of them. */
  async #prepareKnown(): Promise<void> {
    for (const inputShapes of knownShapes(this.inputs, this.profiles, ['opt', 'max'])) {
      const lease = await this.acquire({ inputShapes })
      const { arenaBytes, stagingBytes } = lease.value.sizes
      this.#sizes = {
        arenaBytes: Math.max(this.#sizes.arenaBytes, arenaBytes),
        stagingBytes: Math.max(this.#sizes.stagingBytes, stagingBytes),
      }
      await lease.release()
    }
  }

  /** The program for these shapes, for contexts. @throws BackendError; ModelError. */
  async acquire(shape: RunShape): Promise<Lease<Prepared>> {
    const shapes = this.inputs.map(({ name }) => shape.inputShapes[name]!)
    const key = graphKey(shapes, shape.outputs)
    const lease = await this.#programs.acquire(key, async () => {
      await this.ownTurn()
      return Prepared.create(this.#lowering, shape, this.gpu.context, this.#hosts, () => this.ownTurn())
    })
    if (!shape.outputs) this.#reported = lease.value
    return lease
  }

  /**
   * Resolves in a turn of the event loop that nobody else gets from here: lowering and capturing take their time in the
   * calling thread, and not all at once when several contexts meet new shapes.
   */
  ownTurn(): Promise<void> {
    this.#lastTurn = this.#lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)))
    return this.#lastTurn
  }

  /** Where a weight is; undefined for the tables of single programs. @throws BackendError OUT_OF_MEMORY. */
  constantAddress({ name }: DeviceBuffer): number | undefined {
    const { constants } = this.#lowering
    const offset = constants.offsetOf(name)
    if (offset !== undefined) return this.#weights.address + offset
    const late = constants.late(name)
    return late && this.#lateAddress(name, late.bytes)
  }

  #lateAddress(key: string, bytes: Uint8Array): number {
    let memory = this.#lateWeights.get(key)
    if (!memory) {
      memory = this.gpu.context.allocate(bytes.byteLength)
      this.#lateWeights.set(key, memory)
      memory.write(bytes)
    }
    return memory.address
  }

  /** @throws BackendError OUT_OF_MEMORY and others; the engine and its other contexts go on. DisposedError. */
  async createContext(): Promise<ExecutionContext> {
    if (this.#disposed) throw engineDisposed()
    const context = new CudaExecutionContext(this, this.#sizes)
    this.#contexts.add(context)
    return context
  }

  /** For a context that has disposed itself. */
  forget(context: CudaExecutionContext): void {
    this.#contexts.delete(context)
  }

  inspect(): EngineReport {
    const { gpu, options } = this
    const facts = {
      device: gpu.properties,
      precision: this.#lowering.precision,
      tf32: options.tf32,
      weightsBytes: this.#weights.sizeBytes,
      graphs: [...this.#contexts].map((context) => context.graphs),
    }
    const prepared = this.#reported
    return {
      backend: 'cuda',
      properties: propertiesOf(facts, prepared),
      ...(prepared && { layers: layersOf(prepared.program) }),
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#shutDown()
    return this.#disposed
  }

  async #shutDown(): Promise<void> {
    await disposeAll([
      ...this.#contexts,
      this.#programs,
      this.#hosts,
      this.#weights,
      ...this.#lateWeights.values(),
      this.gpu,
    ])
  }
}
