import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  type CompileOptions,
  ConfigError,
  ModelError,
  type ModelSource,
  type Plan,
  payloadFileName,
  stampOf,
  type TensorInfo,
  throwIfAborted,
} from '@lowlat/core'
import { type CudaContext, openDriver } from '@lowlat/cuda-driver'
import type { ValueDescription } from '@lowlat/onnx'
import type { BuildResult, TensorDescription } from '../native.ts'
import type { TrtOptions } from '../options.ts'
import { type PlanMetadata, planFacts } from '../plan-facts.ts'
import { loadPlugins } from '../plugins.ts'
import { dtypeFromTensorRt } from '../tensorrt/dtypes.ts'
import type { TensorRt } from '../tensorrt/library.ts'
import { profilesFor } from './profiles.ts'
import { readAside } from './read-in-thread.ts'
import { requestFrom } from './request.ts'
import type { BuildSource } from './source.ts'
import { TimingCacheFile } from './timing-cache.ts'

/** What errors say was aborted. */
const WORK = 'Compiling the model'

/**
 * Builds a plan on threads: seconds to minutes, in which the event loop is free. One reads the model, and converts it
 * where float16 is asked of float32; one of the addon builds.
 * @throws (as rejection) ModelError; ConfigError; BackendError; AbortError.
 */
export async function compileModel(
  tensorRt: TensorRt,
  model: ModelSource,
  compile: CompileOptions,
  options: TrtOptions,
): Promise<Plan> {
  const { precision, signal, workFolder } = compile
  const driver = openDriver()
  const device = driver.device(options.device)
  const weightsFrom = options.stripPlan ? await stampOf(fileOf(model)) : undefined
  const reading = { precision, stronglyTyped: options.stronglyTyped, folder: workFolder }
  const source = await readAside(model, reading, WORK, signal)
  throwIfAborted(signal, WORK)
  const inputs = source.description.inputs.map(plainInfo)
  const profiles = profilesFor(inputs, compile.profiles, options)
  loadPlugins(tensorRt, options.plugins)
  const request = requestFrom(options, precision, inputs, profiles)
  using cuda = driver.createContext(device)
  const result = await buildWithTimes(tensorRt, source, { ...request, signal, onEvent: options.onBuild }, cuda, options)
  const path = join(workFolder, payloadFileName)
  await writeFile(path, result.plan, signal ? { signal } : {}).catch((error: unknown) => {
    throwIfAborted(signal, WORK)
    throw error
  })
  const metadata: PlanMetadata = {
    facts: planFacts(tensorRt, device, options),
    planBytes: result.plan.byteLength,
    precision,
    stronglyTyped: options.stronglyTyped,
    ...(weightsFrom !== undefined && { weightsFrom }),
    plugins: [...options.plugins],
    ...(options.embedPlugins && { embedsPlugins: true }),
    ...(options.weightStreamingMB !== undefined && { streamsWeights: true }),
  }
  return {
    backend: 'trt',
    inputs: checkTypes(inputs, result.tensors),
    outputs: outputsFrom(source.description.outputs, result.tensors),
    profiles,
    metadata: { ...metadata },
    payload: { kind: 'file', path },
    dependencies: source.dependencies,
  }
}

type Request = Omit<Parameters<TensorRt['build']>[1], 'cuda'>

async function buildWithTimes(
  tensorRt: TensorRt,
  { model }: BuildSource,
  request: Request,
  cuda: CudaContext,
  { timingCache }: TrtOptions,
): Promise<BuildResult> {
  if (timingCache === false) return tensorRt.build(model, { ...request, cuda })
  const { name, computeCapability } = cuda.device
  const facts = { tensorRt: tensorRt.version, device: name, computeCapability }
  const file = new TimingCacheFile(facts, timingCache && resolve(timingCache))
  const known = await file.read()
  const result = await tensorRt.build(model, { ...request, cuda, ...(known && { timingCache: known }) })
  if (result.timingCache) await file.write(result.timingCache)
  return result
}

function fileOf(model: ModelSource): string {
  if (model.kind === 'file') return resolve(model.path)
  throw new ConfigError('CONFIG_INVALID', {
    message: 'Expected the path of a model for a plan without weights, got bytes.',
    remedy: 'Pass the path: the weights are read from there whenever the plan is loaded. Or leave out stripPlan.',
  })
}

const plainInfo = ({ name, dtype, shape }: TensorInfo): TensorInfo => ({ name, dtype, shape })

/** A type that TensorRT changed would have runs read other bytes than they are given. */
function checkTypes(infos: readonly TensorInfo[], tensors: readonly TensorDescription[]): readonly TensorInfo[] {
  for (const { name, dtype } of infos) {
    const built = tensors.find((tensor) => tensor.name === name)
    if (built === undefined || dtypeFromTensorRt(built.dtype) === dtype) continue
    throw new ModelError('MODEL_UNSUPPORTED', {
      message: `Expected '${name}' as ${dtype}, but TensorRT makes it ${built.dtype}.`,
      remedy: 'Cast it in the model to a type that TensorRT has.',
      expected: dtype,
      received: built.dtype,
    })
  }
  return infos
}

/** The model's own words; the engine's shape where the model does not even say the rank. */
function outputsFrom(
  outputs: readonly ValueDescription[],
  tensors: readonly TensorDescription[],
): readonly TensorInfo[] {
  const infos = outputs.map((output): TensorInfo => {
    const built = output.unknownRank && tensors.find(({ name }) => name === output.name)
    if (!built) return plainInfo(output)
    const { name, dtype } = output
    return { name, dtype, shape: built.shape.map((size, axis) => (size < 0 ? `${name}_${axis}` : size)) }
  })
  return checkTypes(infos, tensors)
}
