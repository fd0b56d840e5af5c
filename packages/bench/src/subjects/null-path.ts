import { type Backend, createSession, type Engine, Tensor, type TensorInfo } from '@lowlat/core'
import { MAX_QUEUE } from './lowlat.ts'
import type { Subject } from './spec.ts'

const info: TensorInfo = { name: 'x', dtype: 'float32', shape: [1, 8] }

const engine: Engine = {
  inputs: [info],
  outputs: [info],
  profiles: [],
  createContext: async () => ({ run: async (feeds) => feeds, [Symbol.asyncDispose]: async () => {} }),
  [Symbol.asyncDispose]: async () => {},
}

/** Returns its feeds: what remains is the cost of the session around a run. */
const echoBackend: Backend = {
  name: 'echo',
  probe: async () => ({ available: true, devices: [] }),
  compile: async (_model, { profiles }) => ({
    backend: 'echo',
    inputs: [info],
    outputs: [info],
    profiles,
    metadata: {},
    payload: { kind: 'bytes', bytes: new Uint8Array(1) },
  }),
  load: async () => engine,
}

const feeds = { x: Tensor.zeros('float32', [1, 8]) }

/** A request through a session whose backend computes nothing. */
export async function createNullSession(): Promise<Subject> {
  const session = await createSession(new Uint8Array(1), { backend: echoBackend, cache: false, maxQueue: MAX_QUEUE })
  return { run: async () => (await session.run(feeds)).x!.size, dispose: () => session.dispose() }
}

/** The same run without the session. */
export async function createNullContext(): Promise<Subject> {
  const context = await engine.createContext()
  return { run: async () => (await context.run(feeds)).x!.size, dispose: async () => context[Symbol.asyncDispose]() }
}
