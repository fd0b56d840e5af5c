import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { BackendError, workAborted } from '@lowlat/core'
import type { InferenceSession } from 'onnxruntime-node'
import { compileError } from './ort-errors.ts'
import type { Created, WorkerCall, WorkerReply } from './protocol.ts'
import { disableTelemetry } from './telemetry.ts'

/** Bytes of the process's last words that an error quotes. */
const LAST_WORDS = 2000

/**
 * Creates a session, which writes the optimised model that its options ask for, in a process of its own: the memory that
 * it takes, several times the model's size, goes back to the system, and a model that crashes native code crashes nothing
 * else.
 * @throws ModelError MODEL_INVALID or MODEL_UNSUPPORTED; BackendError OUT_OF_MEMORY or WORKER_DIED; AbortError.
 */
export function compileInProcess(
  path: string,
  options: InferenceSession.SessionOptions,
  signal: AbortSignal | undefined,
): Promise<Created> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(workAborted(signal, 'Compiling the model'))
    disableTelemetry()
    const child = fork(fileURLToPath(new URL('./worker.js', import.meta.url)), {
      execArgv: [],
      // Where the executable is Electron, it is told to be Node.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let lastWords = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk).slice(-LAST_WORDS)
    })
    const onAbort = () => finish(() => reject(workAborted(signal!, 'Compiling the model')))
    const finish = (settle: () => void) => {
      signal?.removeEventListener('abort', onAbort)
      child.kill('SIGKILL') // nothing to save: the file is complete, or of no use
      settle()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    child.on('error', (cause) => finish(() => reject(diedError('it could not be started', lastWords, cause))))
    // Not 'exit', which can come before the last words do.
    child.on('close', (code, signalName) =>
      finish(() => reject(diedError(signalName ?? `exit code ${code}`, lastWords, undefined))),
    )
    child.on('message', (reply: WorkerReply) =>
      finish(() => {
        if (reply.kind === 'created') resolve(reply)
        else reject(compileError(reply.kind === 'failed' ? reply.message : `unexpected reply '${reply.kind}'`))
      }),
    )
    const call: WorkerCall = { kind: 'create', model: { path }, options, id: 1 }
    // A process that is gone already has said so through 'close'.
    child.send(call, () => {})
  })
}

function diedError(how: string, lastWords: string, cause: unknown): BackendError {
  return new BackendError('WORKER_DIED', {
    message: `The process that compiles the model died (${how}).${lastWords ? ` Its last words: ${lastWords.trim()}.` : ''}`,
    remedy:
      'Look at the memory limit (compiling takes several times the size of the model); else the model is to blame.',
    details: { how },
    cause,
  })
}
