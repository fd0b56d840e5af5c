import { channel, tracingChannel } from 'node:diagnostics_channel'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BackendInput, knownBackends, resolveBackend } from './backends.ts'
import type { Backend, CompileOptions, Engine, ModelSource, Plan } from './contract.ts'
import { AbortError, BackendError, ConfigError, isLowlatError, type LowlatError } from './errors.ts'
import { type ModelInput, modelSourceFrom } from './model-source.ts'
import { PlanCache } from './plan-cache.ts'
import { checkProfiles } from './profiles.ts'
import { type BackendChoice, Session } from './session.ts'
import { parseSessionOptions, readSessionFile, type SessionOptions } from './session-options.ts'
import { warmUp } from './warmup.ts'

/** `tracing:lowlat:compile:*` and `tracing:lowlat:load:*` with `{ backend }`; `lowlat:plan-cache` with what it refused. */
const compileChannel = tracingChannel('lowlat:compile')
const loadChannel = tracingChannel('lowlat:load')
const cacheChannel = channel('lowlat:plan-cache')

const DEFAULT_MAX_QUEUE = 1024

/** Failures that say "not with this backend, not here": a list of backends goes on to the next one. */
const PASS_ON: ReadonlySet<string> = new Set([
  'BACKEND_NOT_INSTALLED',
  'BACKEND_UNAVAILABLE',
  'MODEL_UNSUPPORTED',
  'PRECISION_UNAVAILABLE',
])

/**
 * Loads a model on the first backend of `options.backend` that can run it, ready for requests: compiled (or taken from
 * the plan cache), loaded, and warmed up. `session.selection` says what became of each backend that was asked.
 *
 * @throws ConfigError; ModelError; BackendError (BACKEND_UNAVAILABLE with every reason when no backend is left).
 */
export async function createSession(model: ModelInput, options: SessionOptions = {}): Promise<Session> {
  const settings = parseSessionOptions(options)
  const wanted = backendsOf(settings.backend)
  const source = await modelSourceFrom(model)
  const selection: BackendChoice[] = []
  const failures: LowlatError[] = []
  for (const input of wanted) {
    throwIfAborted(settings.signal)
    try {
      const backend = await resolveBackend(input)
      await checkAvailable(backend)
      const session = await openSession(source, backend, settings, [
        ...selection,
        { backend: backend.name, used: true },
      ])
      return session
    } catch (error) {
      if (wanted.length === 1 || !isLowlatError(error) || !PASS_ON.has(error.code)) throw error
      const name = typeof input === 'string' ? input : input.name
      selection.push({ backend: name, used: false, reason: error.message, remedy: error.remedy })
      failures.push(error)
    }
  }
  throw new BackendError('BACKEND_UNAVAILABLE', {
    message: `None of the backends ${selection.map((choice) => choice.backend).join(', ')} can run this model here: ${selection.map((choice) => `${choice.backend}: ${choice.reason}`).join(' | ')}`,
    remedy: 'Follow the remedy of the backend that you want.',
    details: { selection },
    cause: new AggregateError(failures),
  })
}

/**
 * As {@link createSession}, from a JSON file `{ "model": "resnet50.onnx", "backend": "cpu", ... }`, so that an
 * application changes backends without changing code. @throws also ConfigError CONFIG_UNREADABLE.
 */
export async function createSessionFromFile(file: string | URL): Promise<Session> {
  const { model, options } = await readSessionFile(file)
  return createSession(model, options)
}

function backendsOf(choice: SessionOptions['backend'] = 'auto'): readonly BackendInput[] {
  const list: readonly BackendInput[] = Array.isArray(choice) ? choice : [choice as BackendInput]
  return [...new Set(list.flatMap((input) => (input === 'auto' ? [...knownBackends] : [input])))]
}

async function checkAvailable(backend: Backend): Promise<void> {
  const probe = await backend.probe()
  if (probe.available) return
  throw new BackendError('BACKEND_UNAVAILABLE', {
    message: `The backend '${backend.name}' cannot run here: ${probe.reason}`,
    remedy: probe.remedy,
    details: { backend: backend.name },
  })
}

async function openSession(
  source: ModelSource,
  backend: Backend,
  settings: SessionOptions,
  selection: readonly BackendChoice[],
): Promise<Session> {
  const { engine, release } = await openEngine(source, backend, settings)
  const session = await Session.create({
    engine,
    backend: backend.name,
    selection,
    contexts: settings.contexts ?? engine.preferredContexts ?? 1,
    maxQueue: settings.maxQueue ?? DEFAULT_MAX_QUEUE,
    onDispose: release,
  })
  try {
    if (settings.warmup ?? true) {
      const coversLargest = await warmUp(session)
      if (coversLargest) await engine.warmedUp?.()
    }
    throwIfAborted(settings.signal)
    return session
  } catch (error) {
    await session.dispose()
    throw error
  }
}

interface OpenEngine {
  engine: Engine
  /** Removes what the plan needed on disk, where it is not in the cache. */
  release: () => Promise<void>
}

async function openEngine(source: ModelSource, backend: Backend, settings: SessionOptions): Promise<OpenEngine> {
  const request = {
    precision: settings.precision ?? 'model',
    profiles: settings.profiles ?? [],
    backendOptions: settings.backendOptions?.[backend.name] ?? {},
    ...(settings.signal && { signal: settings.signal }),
  } as const
  const compile = async (workFolder: string): Promise<Plan> => {
    const options: CompileOptions = { ...request, workFolder }
    const plan = await compileChannel.tracePromise(() => backend.compile(source, options), { backend: backend.name })
    checkProfiles(request.profiles, plan.inputs)
    throwIfAborted(settings.signal)
    return plan
  }
  const load = (plan: Plan): Promise<Engine> => {
    const options = {
      backendOptions: request.backendOptions,
      ...(settings.contexts !== undefined && { contexts: settings.contexts }),
      ...(settings.signal && { signal: settings.signal }),
    }
    return loadChannel.tracePromise(() => backend.load(plan, options), { backend: backend.name })
  }

  if (backend.planKey && settings.cache !== false) {
    const cache = openCache(settings.cache)
    try {
      const key = await cache.keyFor(source, {
        backend: backend.name,
        precision: request.precision,
        profiles: request.profiles,
        environment: await backend.planKey(request),
      })
      const engine = await loadFromCache(cache, key, source, load)
      return { engine: engine ?? (await load(await cache.put(key, source, compile))), release: async () => {} }
    } catch (error) {
      // A cache folder that was named must work; the default one may be read-only, as in many containers.
      if (!(error instanceof ConfigError && error.details.cache) || typeof settings.cache === 'object') throw error
      process.emitWarning(`${error.message} Plans are compiled anew at every start.`, { code: 'LOWLAT_PLAN_CACHE' })
    }
  }
  const workFolder = await mkdtemp(join(tmpdir(), 'lowlat-'))
  const release = () => rm(workFolder, { recursive: true, force: true })
  try {
    return { engine: await load(await compile(workFolder)), release }
  } catch (error) {
    await release()
    throw error
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

/** Undefined when there is no entry, or none that loads: then it is compiled anew and replaced. */
async function loadFromCache(
  cache: PlanCache,
  key: string,
  model: ModelSource,
  load: (plan: Plan) => Promise<Engine>,
): Promise<Engine | undefined> {
  const plan = await cache.get(key, model)
  if (!plan) return undefined
  try {
    return await load(plan)
  } catch (error) {
    if (!isLowlatError(error, 'PLAN_INVALID') && !isLowlatError(error, 'PLAN_STALE')) throw error
    return cache.reject(key, error.message)
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new AbortError({
    message: 'Creating the session was aborted by its signal.',
    remedy: 'Nothing to mend: the caller asked for it.',
    cause: signal.reason,
  })
}
