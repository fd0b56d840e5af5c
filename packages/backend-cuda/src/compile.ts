import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  AbortError,
  type CompileOptions,
  isLowlatError,
  type LowlatError,
  type ModelSource,
  type Plan,
  payloadFileName,
  type TensorInfo,
} from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'
import { type HostBackend, hostStepsOf } from './engine/host-steps.ts'
import { guessedShapes, type InputShapes, knownShapes } from './engine/known-shapes.ts'
import { readGraph } from './graph-source.ts'
import { staysInGraph } from './lower/facts.ts'
import { lower } from './lower/lower.ts'
import { prepareGraph } from './lower/prepare.ts'
import type { CudaOptions } from './options.ts'
import type { PlanFacts } from './plan/header.ts'
import { PackingStore } from './plan/packing-store.ts'
import { writePlan } from './plan/write-plan.ts'
import type { HostStep, Program } from './program/program.ts'

/**
 * Optimises the graph, packs its weights for the device and writes the plan. Works in the calling thread, some seconds
 * for large models. @throws ModelError; BackendError; ConfigError; AbortError.
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
  throwIfAborted(signal)
  const graph = prepareGraph(original)
  const inputs = description.inputs.map(plainInfo)
  const store = new PackingStore()
  const lowerFor = (inputShapes: InputShapes): Program => {
    throwIfAborted(signal)
    const { tf32, hostFallback } = options
    return lower(graph, { inputShapes, precision, device: facts.device, constants: store, hostFallback, tf32 })
  }
  const known = knownShapes(inputs, profiles, ['min', 'opt', 'max'])
  const programs = known.length > 0 ? known.map(lowerFor) : lowerGuesses(guessedShapes(inputs), lowerFor)
  const hostSteps = distinctSteps(programs.flatMap(hostStepsOf))
  await checkHostSteps(hostSteps, host, compile)
  throwIfAborted(signal)
  const path = join(workFolder, payloadFileName)
  await writePlan(path, { facts, precision, graph, kept: keptInitializers(graph, hostSteps), store })
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
function lowerGuesses(guesses: readonly InputShapes[], lowerFor: (shapes: InputShapes) => Program): Program[] {
  const programs: Program[] = []
  const failures: LowlatError[] = []
  for (const guess of guesses) {
    try {
      programs.push(lowerFor(guess))
    } catch (error) {
      if (!isLowlatError(error) || error.code === 'ABORTED') throw error
      failures.push(error)
    }
  }
  if (programs.length === 0) throw failures[0]
  return programs
}

function distinctSteps(steps: readonly HostStep[]): HostStep[] {
  return [...new Map(steps.map((step) => [Buffer.from(step.model).toString('latin1'), step])).values()]
}

/** What the host cannot run either is to be refused now, not at the first run. */
async function checkHostSteps(steps: readonly HostStep[], host: HostBackend, compile: CompileOptions): Promise<void> {
  for (const [index, { model, operators }] of steps.entries()) {
    const backend = await host.resolve(operators)
    const workFolder = join(compile.workFolder, `host-${index}`)
    await mkdir(workFolder)
    const { signal } = compile
    await backend.compile(
      { kind: 'bytes', bytes: model },
      { precision: 'model', profiles: [], backendOptions: {}, workFolder, ...(signal && { signal }) },
    )
  }
}

/** Large weights are in the plan as kernels want them; lowering at run time needs the small ones, and those of host steps. */
function keptInitializers(graph: Graph, hostSteps: readonly HostStep[]): Set<string> {
  const small = graph.initializers.filter(({ initializer }) => staysInGraph(initializer!)).map(({ name }) => name)
  return new Set([...small, ...hostSteps.flatMap(({ constants = [] }) => constants)])
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new AbortError({
    message: 'Compiling the model was aborted by its signal.',
    remedy: 'Nothing to mend: the caller asked for it.',
    cause: signal.reason,
  })
}
