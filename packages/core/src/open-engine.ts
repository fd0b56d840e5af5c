import { channel, tracingChannel } from 'node:diagnostics_channel'
import { tmpdir } from 'node:os'
import { throwIfAborted } from './abort.ts'
import type { Backend, CompileOptions, Engine, FileStamp, ModelSource, Plan } from './contract.ts'
import { ConfigError, isLowlatError, ModelError } from './errors.ts'
import { isUnchanged, stampOf } from './model-source.ts'
import { type LeasedPlan, PlanCache } from './plan-cache.ts'
import { checkProfiles } from './profiles.ts'
import type { SessionOptions } from './session-options.ts'
import { compilingIn, type Storage, writingTo } from './storage.ts'
import { createWorkFolder, sweepWorkFolders } from './work-folder.ts'

/** `tracing:lowlat:compile:*` and `tracing:lowlat:load:*` with `{ backend }`; `lowlat:plan-cache` with what it refused. */
const compileChannel = tracingChannel('lowlat:compile')
const loadChannel = tracingChannel('lowlat:load')
const cacheChannel = channel('lowlat:plan-cache')

/** What errors say was aborted. */
export const creatingSession = 'Creating the session'

/** A model on a backend, to be opened. */
export interface EngineRequest {
  readonly model: ModelSource
  readonly backend: Backend
  readonly settings: SessionOptions
}

interface OpenEngine {
  readonly engine: Engine
  /** Lets go of the plan on disk; to be called once the engine is disposed. */
  readonly release: () => Promise<void>
}

/**
 * Loads a model's plan, from the cache or compiled for it. Compiles again where the model changes meanwhile.
 * @throws ModelError, also MODEL_INVALID for a model that changes all the time; BackendError; ConfigError; AbortError.
 */
export async function openEngine(request: EngineRequest): Promise<OpenEngine> {
  try {
    return await openOnce(request)
  } catch (error) {
    if (!(error instanceof ModelError && error.details.changed)) throw error
    return openOnce(request)
  }
}

async function openOnce(request: EngineRequest): Promise<OpenEngine> {
  const { model, backend, settings } = request
  // Before the cache hashes the model: what is compiled must be what was hashed.
  const stamps = model.kind === 'file' ? [await stampOf(model.path)] : []
  const compile: Compile = async (workFolder) => {
    const plan = await compileOn(request, workFolder)
    await checkUnchanged([...stamps, ...(plan.dependencies ?? [])])
    return plan
  }
  if (backend.planKey && settings.cache !== false) {
    const cache = openCache(settings.cache)
    try {
      return await openCached(request, cache, compile)
    } catch (error) {
      // A cache folder that was named must work; the default one may be full, or read-only, as in many containers.
      if (!(error instanceof ConfigError) || error.details.storage !== cache.folder || isNamed(settings.cache))
        throw error
      process.emitWarning(`${error.message} Plans are compiled anew at every start.`, { code: 'LOWLAT_CACHE' })
    }
  }
  return load(request, await compileUncached(compile))
}

type Compile = (workFolder: string) => Promise<Plan>

async function openCached(request: EngineRequest, cache: PlanCache, compile: Compile): Promise<OpenEngine> {
  const { model, backend, settings } = request
  const options = compileOptions(request)
  const key = await cache.keyFor(model, {
    backend: backend.name,
    precision: options.precision,
    profiles: options.profiles,
    environment: await backend.planKey!(options),
  })
  throwIfAborted(settings.signal, creatingSession)
  const plan = await cache.get(key, model)
  if (plan) {
    try {
      return await load(request, plan)
    } catch (error) {
      if (!isLowlatError(error, 'PLAN_INVALID') && !isLowlatError(error, 'PLAN_STALE')) throw error
      await cache.reject(key, error.message)
    }
  }
  return load(request, await cache.put(key, model, compile))
}

/** Compiles into a folder that goes with the session, and with the process at the latest. */
async function compileUncached(compile: Compile): Promise<LeasedPlan> {
  const storage: Storage = {
    name: 'temporary folder',
    folder: tmpdir(),
    remedy: 'Make room, or name another folder in the environment variable TMPDIR (on Windows TEMP).',
  }
  await sweepWorkFolders(storage.folder, ['lowlat'])
  const work = await writingTo(storage, () => createWorkFolder(storage.folder, 'lowlat'))
  try {
    const plan = await compilingIn(storage, work.path, () => compile(work.path))
    return { ...plan, [Symbol.asyncDispose]: work[Symbol.asyncDispose] }
  } catch (error) {
    await work[Symbol.asyncDispose]()
    throw error
  }
}

function compileOptions({ backend, settings }: EngineRequest): Omit<CompileOptions, 'workFolder'> {
  return {
    precision: settings.precision ?? 'model',
    profiles: settings.profiles ?? [],
    backendOptions: settings.backendOptions?.[backend.name] ?? {},
    ...(settings.signal && { signal: settings.signal }),
  }
}

async function compileOn(request: EngineRequest, workFolder: string): Promise<Plan> {
  const { model, backend } = request
  const options = { ...compileOptions(request), workFolder }
  const plan = await compileChannel.tracePromise(() => backend.compile(model, options), { backend: backend.name })
  checkProfiles(options.profiles, plan.inputs)
  throwIfAborted(options.signal, creatingSession)
  return plan
}

async function load(request: EngineRequest, plan: LeasedPlan): Promise<OpenEngine> {
  const { backend, settings } = request
  const { backendOptions, signal } = compileOptions(request)
  const options = {
    backendOptions,
    ...(settings.contexts !== undefined && { contexts: settings.contexts }),
    ...(signal && { signal }),
  }
  const release = () => plan[Symbol.asyncDispose]()
  try {
    throwIfAborted(signal, creatingSession)
    const engine = await loadChannel.tracePromise(() => backend.load(plan, options), { backend: backend.name })
    return { engine, release }
  } catch (error) {
    await release()
    throw error
  }
}

async function checkUnchanged(stamps: readonly FileStamp[]): Promise<void> {
  for (const stamp of stamps) {
    if (await isUnchanged(stamp)) continue
    throw new ModelError('MODEL_INVALID', {
      message: `The file '${stamp.path}' changed while the model was compiled.`,
      remedy: 'Write a new model under another name, and rename it when it is complete.',
      received: stamp.path,
      details: { changed: stamp.path },
    })
  }
}

function openCache(options: SessionOptions['cache']): PlanCache {
  const { folder, maxBytes } = typeof options === 'object' ? options : {}
  return new PlanCache({
    ...(folder !== undefined && { folder }),
    ...(maxBytes !== undefined && { maxBytes }),
    onRejected: (rejection) => cacheChannel.publish(rejection),
  })
}

function isNamed(cache: SessionOptions['cache']): boolean {
  return typeof cache === 'object' && cache.folder !== undefined
}
