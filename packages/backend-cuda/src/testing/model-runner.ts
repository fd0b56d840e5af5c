import { createBackend as createCpuBackend } from '@lowlat/backend-cpu'
import { type Backend, createSession, type Feeds, type Fetches, type Session, type Shape } from '@lowlat/core'
import type { CudaContext, CudaModule } from '@lowlat/cuda-driver'
import { graphFromOnnx, onnxFromGraph } from '@lowlat/onnx'
import { lower } from '../lower/lower.ts'
import type { LowerOptions } from '../lower/options.ts'
import { prepareGraph } from '../lower/prepare.ts'
import type { Program } from '../program/program.ts'
import { executeProgram } from './execute-program.ts'
import { testDevice } from './facts.ts'
import { loadKernels } from './load-kernels.ts'
import { MemoryConstants } from './memory-constants.ts'

/** A model that was lowered for the shapes of some feeds. */
export interface LoweredModel {
  readonly program: Program
  readonly constants: MemoryConstants
}

/** Lowers models and runs their programs on the simulator, and the same models on the CPU backend to compare with. */
export class ModelRunner implements Disposable {
  readonly #context: CudaContext
  readonly #module: CudaModule
  readonly #host: Backend = createCpuBackend()

  /** Builds the simulator with all kernels. */
  static async open(): Promise<ModelRunner> {
    return new ModelRunner(await loadKernels())
  }

  private constructor({ context, module }: { context: CudaContext; module: CudaModule }) {
    this.#context = context
    this.#module = module
  }

  /** What the lowering makes of a model whose inputs have the shapes of these feeds. */
  lower(model: Uint8Array, feeds: Feeds, options: Partial<LowerOptions> = {}): LoweredModel {
    const inputShapes = Object.fromEntries(
      Object.entries(feeds).map(([name, { shape }]): [string, Shape] => [name, shape]),
    )
    const prepared = onnxFromGraph(prepareGraph(graphFromOnnx(model)))
    const constants = new MemoryConstants()
    const program = lower(graphFromOnnx(prepared), {
      inputShapes,
      precision: 'model',
      device: testDevice,
      constants,
      hostFallback: 'error',
      tf32: false,
      ...options,
    })
    return { program, constants }
  }

  async run({ program, constants }: LoweredModel, feeds: Feeds): Promise<Fetches> {
    const host = this.#host
    const options = { context: this.#context, module: this.#module, constants: constants.bytes, host }
    const { fetches } = await executeProgram(program, feeds, options)
    return fetches
  }

  /** The model on the CPU backend. */
  openReference(model: Uint8Array): Promise<Session> {
    const backendOptions = { cpu: { placement: 'inline' } }
    return createSession(model, { backend: this.#host, cache: false, warmup: false, backendOptions })
  }

  [Symbol.dispose](): void {
    this.#module.dispose()
    this.#context.dispose()
  }
}
