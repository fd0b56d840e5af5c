import { Worker } from 'node:worker_threads'
import { BackendError, DisposedError, messageOf } from '@lowlat/core'
import { guardExit, unguardExit } from './exit-guard.ts'
import { createGate } from './native-gate.js'
import { loadError } from './ort-errors.ts'
import type { Created, Failed, Ran, WorkerCall, WorkerReply, WorkerRequest } from './protocol.ts'

type CreateRequest = Extract<WorkerRequest, { kind: 'create' }>
type RunRequest = Extract<WorkerRequest, { kind: 'run' }>

/** A request that the library refused, in its words. `buffers` are the feeds' memory, handed back. */
export class OrtFailure extends Error {
  readonly buffers: readonly ArrayBuffer[]

  constructor({ message, buffers }: Failed) {
    super(message)
    this.buffers = buffers
  }
}

interface Pending {
  resolve(reply: Created | Ran): void
  reject(error: unknown): void
}

/**
 * One worker thread with one ONNX Runtime session. When the thread dies, its requests are rejected with WORKER_DIED and
 * a new thread takes its place. An idle worker does not keep the process alive.
 */
export class OrtWorker {
  readonly #session: CreateRequest
  #worker: Worker | undefined
  #created: Promise<Created> | undefined
  #ready = false
  #pending = new Map<number, Pending>()
  #lastId = 0
  #disposed = false

  constructor(session: CreateRequest) {
    this.#session = session
  }

  /**
   * Starts the thread and creates the session, if that has not happened. When it fails, the next call tries again.
   * @throws ModelError PLAN_INVALID; BackendError OUT_OF_MEMORY or WORKER_DIED; DisposedError.
   */
  create(): Promise<Created> {
    if (!this.#created) {
      const created: Promise<Created> = this.#start().catch(async (error: unknown) => {
        // This thread may be alive without a session; the next one is a new one.
        if (this.#created === created) {
          this.#created = undefined
          const worker = this.#worker
          this.#worker = undefined
          if (worker) await end(worker)
        }
        throw loadError(error)
      })
      this.#created = created
    }
    return this.#created
  }

  /** @throws OrtFailure when the run fails; whatever {@link create} throws. */
  async run(request: RunRequest): Promise<Ran> {
    await this.create()
    const transfer = request.feeds.map((feed) => feed.buffer)
    return (await this.#call(request, transfer)) as Ran
  }

  /** Ends the thread after the requests that it has; later ones are rejected. */
  async dispose(): Promise<void> {
    this.#disposed = true
    if (this.#worker) await end(this.#worker)
  }

  async #start(): Promise<Created> {
    if (this.#disposed) throw disposedError()
    const gate = createGate()
    const worker = new Worker(new URL('./worker.js', import.meta.url), { execArgv: [], workerData: { gate } })
    this.#worker = worker
    guardExit(gate)
    let cause: unknown
    worker.on('message', (reply: WorkerReply) => this.#receive(reply))
    worker.on('messageerror', (error) => {
      cause = error
      void end(worker) // A request waits for the reply that was lost.
    })
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', (exitCode) => {
      unguardExit(gate)
      if (this.#worker === worker) this.#onExit(exitCode, cause)
    })
    worker.unref()
    const created = (await this.#call(this.#session, [])) as Created
    this.#ready = true
    return created
  }

  #call(request: WorkerRequest, transfer: ArrayBuffer[]): Promise<Created | Ran> {
    return new Promise((resolve, reject) => {
      const worker = this.#worker
      if (this.#disposed || !worker) {
        reject(this.#disposed ? disposedError() : diedError(undefined, undefined))
        return
      }
      const call: WorkerCall = { ...request, id: ++this.#lastId }
      worker.postMessage(call, transfer)
      if (this.#pending.size === 0) worker.ref()
      this.#pending.set(call.id, { resolve, reject })
    })
  }

  #receive(reply: WorkerReply): void {
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    if (this.#pending.size === 0 && !this.#disposed) this.#worker?.unref()
    if (reply.kind === 'failed') pending?.reject(new OrtFailure(reply))
    else pending?.resolve(reply)
  }

  #onExit(exitCode: number, cause: unknown): void {
    const wasReady = this.#ready
    this.#ready = false
    this.#worker = undefined
    this.#created = undefined
    const lost = this.#pending
    this.#pending = new Map()
    for (const { reject } of lost.values()) reject(this.#disposed ? disposedError() : diedError(exitCode, cause))
    // Its replacement starts at once, unless it died before it ever worked; a failure shows at the next request.
    if (wasReady && !this.#disposed) this.create().catch(() => {})
  }
}

/**
 * Ends the thread from inside, after the calls that it has: to terminate() it while native code runs in it would end
 * the process.
 */
function end(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.once('exit', () => resolve())
    worker.ref()
    const call: WorkerCall = { kind: 'end' }
    worker.postMessage(call)
  })
}

function diedError(exitCode: number | undefined, cause: unknown): BackendError {
  const reason = cause === undefined ? `exit code ${exitCode ?? 'unknown'}` : messageOf(cause)
  return new BackendError('WORKER_DIED', {
    message: `The worker thread of the CPU backend died (${reason}); this request was lost.`,
    remedy: 'Send the request again: a new worker takes its place. If it keeps dying, look at the memory limit.',
    details: { exitCode },
    cause,
  })
}

function disposedError(): DisposedError {
  return new DisposedError({
    message: 'The CPU engine was disposed while the request was under way.',
    remedy: 'Dispose it only after the last request has settled.',
  })
}
