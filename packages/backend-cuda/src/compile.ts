import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import {
  type CompileOptions,
  isLowlatError,
  type LowlatError,
  type ModelSource,
  type Plan,
  payloadFileName,
  type TensorInfo,
  throwIfAborted,
} from '@lowlat/core'
import type { Graph, Value } from '@lowlat/onnx'
import { type HostBackend, hostStepsOf } from './engine/host-steps.ts'
import { guessedShapes, type InputShapes, knownShapes } from './engine/known-shapes.ts'
import { readGraph } from './graph-source.ts'
import { staysInGraph } from './lower/facts.ts'
import { lowerInSlices } from './lower/lower.ts'
import { prepareGraph } from './lower/prepare.ts'
import { compileError } from './lowering-error.ts'
import type { CudaOptions } from './options.ts'
import type { PlanFacts } from './plan/header.ts'
import { PackingStore } from './plan/packing-store.ts'
import { writePlan } from './plan/write-plan.ts'
import type { HostStep } from './program/program.ts'

const work = 'Compiling the model'

/**
 * Optimises the graph, packs its weights for the device and writes the plan. Works in the calling thread, some seconds
 * for large models, and gives way to the event loop after each weight that it packs. @throws ModelError; BackendError; ConfigError; AbortError.
 */
export async function compileModel(
  source: ModelSource,
  compile: CompileOptions,
  options: CudaOptions,
  facts: PlanFacts,
  host: HostBackend,
): Promise<Plan> {
  const { precision, profiles, workFolder, signal } = compile
  const { graph: original, description, dependencies } = await readGraph(source, precision)
  throwIfAborted(signal, work)
  const graph = prepareGraph(original)
  const inputs = description.inputs.map(plainInfo)
  const store = new PackingStore()
  const hostSteps = new HostChecks(host, compile)
  const giveWay = async (): Promise<void> => {
    await setImmediate()
    throwIfAborted(signal, work)
  }
  const lowerFor = async (inputShapes: InputShapes): Promise<void> => {
    throwIfAborted(signal, work)
    const { tf32, hostFallback } = options
    const lowering = { inputShapes, precision, device: facts.device, constants: store, hostFallback, tf32 }
    const program = await lowerInSlices(graph, lowering, giveWay).catch((error: unknown) => {
      throw compileError(error, inputShapes)
    })
    for (const step of hostStepsOf(program)) await hostSteps.check(step)
  }
  const known = knownShapes(inputs, profiles, ['min', 'opt', 'max'])
  if (known.length > 0) for (const shapes of known) await lowerFor(shapes)
  else await lowerGuesses(guessedShapes(inputs), lowerFor)
  throwIfAborted(signal, work)
  const path = join(workFolder, payloadFileName)
  await writePlan(path, { facts, precision, graph, kept: keptInitializers(graph, hostSteps.constants, store), store })
  return {
    backend: 'cuda',
    inputs,
    outputs: description.outputs.map(plainInfo),
    profiles,
    metadata: { ...facts },
    payload: { kind: 'file', path },
    dependencies,
  }
}

const plainInfo = ({ name, dtype, shape }: TensorInfo): TensorInfo => ({ name, dtype, shape })

/** Some sizes may be none that the model takes; then the others tell. @throws the first error where none fits. */
async function lowerGuesses(
  guesses: readonly InputShapes[],
  lowerFor: (shapes: InputShapes) => Promise<void>,
): Promise<void> {
  const failures: LowlatError[] = []
  for (const guess of guesses) {
    try {
      await lowerFor(guess)
    } catch (error) {
      if (!isLowlatError(error) || error.code === 'ABORTED') throw error
      failures.push(error)
    }
  }
  if (failures.length === guesses.length) throw failures[0]
}

/** What the host cannot run either is to be refused while a model is compiled, not at the first run. */
class HostChecks {
  /** Names of the weights in all host steps. */
  readonly constants = new Set<string>()
  readonly #host: HostBackend
  readonly #options: CompileOptions
  readonly #checked = new Set<string>()

  constructor(host: HostBackend, options: CompileOptions) {
    this.#host = host
    this.#options = options
  }

  /** @throws what the host's backend rejects the part with. */
  async check({ model, operators, constants = [] }: HostStep): Promise<void> {
    for (const name of constants) this.constants.add(name)
    const key = createHash('sha256').update(model).digest('hex')
    if (this.#checked.has(key)) return
    const backend = await this.#host.resolve(operators)
    const workFolder = join(this.#options.workFolder, `host-${this.#checked.size}`)
    this.#checked.add(key)
    await mkdir(workFolder)
    const { signal } = this.#options
    const options = { precision: 'model', profiles: [], backendOptions: {}, workFolder } as const
    await backend.compile({ kind: 'bytes', bytes: model }, { ...options, ...(signal && { signal }) })
  }
}

/**
 * Weights are in the plan as kernels want them. Lowering at run time reads the small ones; host steps need theirs; and those
 * that no kernel has needed yet may be packed later, for other shapes.
 */
function keptInitializers(graph: Graph, forHost: ReadonlySet<string>, store: PackingStore): Set<string> {
  const isKept = ({ name, initializer }: Value) =>
    staysInGraph(initializer!) || forHost.has(name) || !store.holdsWeight(name)
  return new Set(graph.initializers.filter(isKept).map(({ name }) => name))
}
