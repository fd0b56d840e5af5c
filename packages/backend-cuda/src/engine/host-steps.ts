import { createHash } from 'node:crypto'
import {
  type Backend,
  BackendError,
  type BackendInput,
  createSession,
  isLowlatError,
  resolveBackend,
  type Session,
} from '@lowlat/core'
import { type Lease, SharedCache } from '@lowlat/cuda-driver'
import type { HostStep, Program } from '../program/program.ts'

/** The backend that runs what has no kernel here: handed in, or found by name. */
export class HostBackend {
  readonly #input: BackendInput
  #backend: Promise<Backend> | undefined

  constructor(input: BackendInput = 'cpu') {
    this.#input = input
  }

  /** @throws BackendError BACKEND_NOT_INSTALLED or BACKEND_UNAVAILABLE, saying which operators need it. */
  async resolve(operators: readonly string[]): Promise<Backend> {
    try {
      this.#backend ??= resolveBackend(this.#input)
      return await this.#backend
    } catch (error) {
      this.#backend = undefined
      if (!isLowlatError(error)) throw error
      throw new BackendError(error.code, {
        message: `Some operators have no CUDA kernel (${operators.join(', ')}) and run on the host, but its backend cannot be used: ${error.message}`,
        remedy: 'Install @lowlat/backend-cpu, hand a backend to createBackend({ host }), or replace these operators.',
        details: { operators },
        cause: error,
      })
    }
  }
}

/** Sessions of host steps, shared by all contexts of an engine; equal parts have one session. */
export class HostSessions implements AsyncDisposable {
  readonly #backend: HostBackend
  readonly #sessions: SharedCache<Session>

  constructor(backend: HostBackend, maxIdle: number) {
    this.#backend = backend
    this.#sessions = new SharedCache(maxIdle)
  }

  /** One for each host step of a program, in order. @throws BackendError; ModelError. */
  async acquire(program: Program): Promise<Lease<Session>[]> {
    const leases: Lease<Session>[] = []
    try {
      for (const step of hostStepsOf(program)) leases.push(await this.#acquire(step))
      return leases
    } catch (error) {
      await Promise.all(leases.map((lease) => lease.release()))
      throw error
    }
  }

  async #acquire({ model, operators }: HostStep): Promise<Lease<Session>> {
    const key = createHash('sha256').update(model).digest('hex')
    return this.#sessions.acquire(key, async () => {
      const backend = await this.#backend.resolve(operators)
      // The plan of the whole model is cached already; its parts are compiled with it.
      return createSession(model, { backend, cache: false, warmup: false })
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#sessions[Symbol.asyncDispose]()
  }
}

export const hostStepsOf = ({ steps }: Program): HostStep[] => steps.filter((step) => step.kind === 'host')
