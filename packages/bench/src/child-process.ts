import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { LowlatError, withoutRemedy } from '@lowlat/core'
import type { ErrorReport, Reply, TaskKind, Tasks } from './protocol.ts'

const STDERR_KEPT = 4000

const built = import.meta.url.endsWith('.js')
const entry = fileURLToPath(new URL(built ? './child.js' : './child.ts', import.meta.url))
/** In development the sources run as they are. */
const execArgv = built ? [] : ['--conditions=@lowlat/source', '--import', 'tsx']

/** A process that performs tasks, one at a time. Dispose it, or it outlives its use. */
export class TaskProcess implements AsyncDisposable {
  readonly #process: ChildProcess
  #stderr = ''
  #pending: { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined

  constructor() {
    // Advanced serialization carries typed arrays as they are.
    this.#process = fork(entry, { execArgv, serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT)
    })
    this.#process.on('message', (reply: Reply) => {
      if (reply.ok) this.#take()?.resolve(reply.response)
      else this.#take()?.reject(errorFrom(reply.error))
    })
    this.#process.on('error', (cause) => this.#take()?.reject(this.#died(cause.message)))
    this.#process.on('close', (code, signal) => this.#take()?.reject(this.#died(signal ?? `exit code ${code}`)))
  }

  /** @throws LowlatError with the code of the error in the process; WORKER_DIED when the process ends meanwhile. */
  async perform<K extends TaskKind>(kind: K, request: Tasks[K]['request']): Promise<Tasks[K]['response']> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) throw this.#died('it had ended before')
    const response = new Promise<unknown>((resolve, reject) => {
      this.#pending = { resolve, reject }
    })
    this.#process.send({ kind, request })
    return (await response) as Tasks[K]['response']
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  #take() {
    const pending = this.#pending
    this.#pending = undefined
    return pending
  }

  #died(how: string): LowlatError {
    const said = this.#stderr.trim()
    return new LowlatError('WORKER_DIED', {
      message: `The process of a benchmark subject ended (${how})${said ? `, having written: ${said}` : ''}.`,
      remedy: 'Check memory limits, and run this subject alone to see more.',
    })
  }
}

/** One task in a process of its own. @throws as {@link TaskProcess.perform}. */
export async function performAlone<K extends TaskKind>(
  kind: K,
  request: Tasks[K]['request'],
): Promise<Tasks[K]['response']> {
  const process = new TaskProcess()
  try {
    return await process.perform(kind, request)
  } finally {
    await process[Symbol.asyncDispose]()
  }
}

function errorFrom({ message, code = 'RUN_FAILED', remedy = '' }: ErrorReport): LowlatError {
  return new LowlatError(code, { message: withoutRemedy({ message, remedy }), remedy })
}
