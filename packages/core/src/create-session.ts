import { onAbort, throwIfAborted, workAborted } from './abort.ts'
import { type BackendInput, knownBackends, resolveBackend } from './backends.ts'
import type { Backend } from './contract.ts'
import { BackendError, isLowlatError, type LowlatError } from './errors.ts'
import { type ModelInput, modelSourceFrom } from './model-source.ts'
import { creatingSession, type EngineRequest, openEngine } from './open-engine.ts'
import { type BackendChoice, Session } from './session.ts'
import { parseSessionOptions, readSessionFile, type SessionOptions } from './session-options.ts'
import { warmUp } from './warmup.ts'

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
  throwIfAborted(settings.signal, creatingSession)
  return untilAborted(createUnderSignal(model, settings), settings.signal)
}

async function createUnderSignal(model: ModelInput, settings: SessionOptions): Promise<Session> {
  const wanted = backendsOf(settings.backend)
  const source = await modelSourceFrom(model)
  const selection: BackendChoice[] = []
  const failures: LowlatError[] = []
  for (const input of wanted) {
    throwIfAborted(settings.signal, creatingSession)
    try {
      const backend = await resolveBackend(input)
      await checkAvailable(backend)
      return await openSession({ model: source, backend, settings }, [
        ...selection,
        { backend: backend.name, used: true },
      ])
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

async function openSession(request: EngineRequest, selection: readonly BackendChoice[]): Promise<Session> {
  const { backend, settings } = request
  const { engine, release } = await openEngine(request)
  const session = await Session.create({
    engine,
    backend: backend.name,
    selection,
    contexts: settings.contexts ?? engine.preferredContexts ?? 1,
    maxQueue: settings.maxQueue ?? DEFAULT_MAX_QUEUE,
    onDispose: release,
  })
  try {
    throwIfAborted(settings.signal, creatingSession)
    if (settings.warmup !== false && (await warmUp(session, settings))) await engine.warmedUp?.()
    throwIfAborted(settings.signal, creatingSession)
    return session
  } catch (error) {
    await session.dispose()
    throw error
  }
}

/** Settles as `creating` does, or at once when the signal fires: what comes later is then disposed. */
function untilAborted(creating: Promise<Session>, signal: AbortSignal | undefined): Promise<Session> {
  if (!signal) return creating
  return new Promise((resolve, reject) => {
    const stopWatching = onAbort(signal, () => {
      stopWatching()
      reject(workAborted(signal, creatingSession))
      // The creation ends itself at its next step; nobody is left to hear what went wrong on the way.
      creating.then((session) => session.dispose()).catch(() => {})
    })
    creating.finally(stopWatching).then(resolve, reject)
  })
}
