import { type Backend, createSession, type Feeds, type Fetches } from '@lowlat/core'

/** Runs a model once on a backend; the CPU backend in the calling thread. */
export async function runModel(model: Uint8Array, feeds: Feeds, backend: Backend): Promise<Fetches> {
  const backendOptions = { [backend.name]: backend.name === 'cpu' ? { placement: 'inline' } : {} }
  await using session = await createSession(model, { backend, backendOptions, cache: false, warmup: false })
  return session.run(feeds)
}
