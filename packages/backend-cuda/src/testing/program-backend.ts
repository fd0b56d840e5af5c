import { readFile } from 'node:fs/promises'
import type { Backend, CompileOptions, Engine, Feeds, Fetches, ModelSource, Plan, Shape } from '@lowlat/core'
import { describeModel, graphFromFile, graphFromOnnx, onnxFromGraph } from '@lowlat/onnx'
import { lower } from '../lower/lower.ts'
import type { LowerOptions } from '../lower/options.ts'
import { prepareGraph } from '../lower/prepare.ts'
import type { Program } from '../program/program.ts'
import { type ExecuteOptions, executeProgram } from './execute-program.ts'
import { MemoryConstants } from './memory-constants.ts'

interface ProgramBackendOptions extends Omit<ExecuteOptions, 'constants'> {
  readonly lower?: Partial<LowerOptions>
  /** Sees every program that is about to run. */
  readonly onProgram?: (program: Program) => void
}

/** Lowers a model anew for every run and executes the program step by step: what the lowering makes, and nothing else. */
export function programBackend(options: ProgramBackendOptions): Backend {
  return {
    name: 'program',
    probe: async () => ({ available: true, devices: [] }),
    compile: compileModel,
    async load(plan) {
      if (plan.payload.kind !== 'bytes') throw new Error('expected a plan in memory')
      return new ProgramEngine(plan, plan.payload.bytes, options)
    },
  }
}

async function compileModel(model: ModelSource, { profiles }: CompileOptions): Promise<Plan> {
  const bytes = model.kind === 'file' ? await readFile(model.path) : model.bytes
  const { inputs, outputs } = describeModel(bytes)
  const graph = model.kind === 'file' ? await graphFromFile(model.path) : graphFromOnnx(bytes)
  const payload = { kind: 'bytes', bytes: onnxFromGraph(prepareGraph(graph)) } as const
  return { backend: 'program', inputs, outputs, profiles, metadata: {}, payload }
}

class ProgramEngine implements Engine {
  readonly inputs: Plan['inputs']
  readonly outputs: Plan['outputs']
  readonly profiles: Plan['profiles']
  readonly #graph: ReturnType<typeof graphFromOnnx>
  readonly #options: ProgramBackendOptions

  constructor(plan: Plan, bytes: Uint8Array, options: ProgramBackendOptions) {
    this.inputs = plan.inputs
    this.outputs = plan.outputs
    this.profiles = plan.profiles
    this.#graph = graphFromOnnx(bytes)
    this.#options = options
  }

  async createContext() {
    return { run: (feeds: Feeds) => this.#run(feeds), [Symbol.asyncDispose]: async () => {} }
  }

  async #run(feeds: Feeds): Promise<Fetches> {
    const { context, lower: overrides, onProgram } = this.#options
    const constants = new MemoryConstants()
    const inputShapes = Object.fromEntries(
      Object.entries(feeds).map(([name, { shape }]): [string, Shape] => [name, shape]),
    )
    const program = lower(this.#graph, {
      inputShapes,
      precision: 'model',
      device: context.device,
      constants,
      hostFallback: 'run',
      tf32: false,
      ...overrides,
    })
    onProgram?.(program)
    const { fetches } = await executeProgram(program, feeds, { ...this.#options, constants: constants.bytes })
    return fetches
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
