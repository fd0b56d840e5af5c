import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import {
  createSession,
  type Engine,
  type Feeds,
  type OptimizationProfile,
  type Session,
  Tensor,
  Timeline,
} from '@lowlat/core'
import { denseModel, sumModel } from '@lowlat/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createBackend } from './backend.ts'
import type { CpuOptions } from './options.ts'
import { filePlan } from './testing/file-plan.ts'

const cpu = (options: Partial<CpuOptions> = {}) => ({
  backend: createBackend(),
  backendOptions: { cpu: { ...options } },
  cache: false,
})

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-engine-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const load = async (bytes: Uint8Array, options: Partial<CpuOptions> = {}): Promise<Engine> =>
  createBackend().load(await filePlan(bytes, folder), { backendOptions: { ...options } })

/** The worker threads that `action` starts. */
async function workersOf<T>(action: () => Promise<T>): Promise<{ result: T; workers: Worker[] }> {
  const workers: Worker[] = []
  const onWorker = (worker: Worker) => workers.push(worker)
  process.on('worker', onWorker)
  try {
    return { result: await action(), workers }
  } finally {
    process.off('worker', onWorker)
  }
}

const slowWeights = Tensor.zeros('float32', [1024, 1024])
const slowFeeds: Feeds = { x: Tensor.zeros('float32', [512, 1024]) }
const profile: OptimizationProfile = {
  a: { min: [1, 4], opt: [1, 4], max: [2, 4] },
  b: { min: [1, 4], opt: [1, 4], max: [2, 4] },
}
const pair = (rows: number): Feeds => ({ a: Tensor.zeros('float32', [rows, 4]), b: Tensor.zeros('float32', [rows, 4]) })

const placementOf = (session: Session) => session.inspect().properties.placement

describe('placement', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it('auto stays in a worker while shapes may come that nobody measured', async () => {
    await using session = await createSession(sumModel(), cpu())
    expect(placementOf(session)).toBe('worker')
  })

  it('auto moves a short model into the calling thread once every shape was measured', async () => {
    vi.stubEnv('LOWLAT_CPU_INLINE_BELOW_US', '1000000') // whatever else this machine does
    const session = await createSession(sumModel(), { ...cpu(), profiles: [profile] })
    expect(session.inspect().properties).toMatchObject({ placement: 'inline', workers: 0 })
    expect((await session.run(pair(2))).sum!.shape).toEqual([2, 4])
    await session.dispose()
  })

  it('auto leaves a long model in its worker', async () => {
    vi.stubEnv('LOWLAT_CPU_INLINE_BELOW_US', '1')
    const x = { min: [512, 1024], opt: [512, 1024], max: [512, 1024] }
    await using session = await createSession(denseModel(slowWeights), { ...cpu(), profiles: [{ x }] })
    expect(placementOf(session)).toBe('worker')
  })

  it('worker and inline are as asked', async () => {
    for (const placement of ['worker', 'inline'] as const) {
      await using session = await createSession(sumModel(), { ...cpu({ placement }), profiles: [profile] })
      expect(placementOf(session)).toBe(placement)
    }
  })
})

describe('worker threads', () => {
  it('are one for latency, and one per context for throughput', async () => {
    await using latency = await createSession(sumModel(), cpu())
    expect(latency.inspect().properties.workers).toBe(1)
    await using throughput = await createSession(sumModel(), { ...cpu({ mode: 'throughput' }), contexts: 3 })
    expect(throughput.inspect().properties).toMatchObject({ workers: 3, threads: 1 })
    expect(throughput.stats.contexts).toBe(3)
  })

  it('that die reject their requests by code, and are replaced', async () => {
    const { result: session, workers } = await workersOf(() => createSession(denseModel(slowWeights), cpu()))
    const worker = workers.at(-1)!
    const lost = session.run(slowFeeds)
    await worker.terminate()
    await expect(lost).rejects.toMatchObject({ code: 'WORKER_DIED', details: { exitCode: 1 } })
    const { y } = await session.run(slowFeeds)
    expect(y!.shape).toEqual([512, 1024])
    await session.dispose()
  })

  it('that die idle are replaced unnoticed', async () => {
    const { result: session, workers } = await workersOf(() => createSession(sumModel(), cpu()))
    await workers.at(-1)!.terminate()
    expect((await session.run(pair(1))).sum!.shape).toEqual([1, 4])
    await session.dispose()
  })

  it('that die while they start are not started again until somebody asks', async () => {
    const { result: session, workers } = await workersOf(() => createSession(sumModel(), cpu({ placement: 'worker' })))
    const started: Worker[] = []
    const kill = (worker: Worker) => {
      started.push(worker)
      void worker.terminate()
    }
    process.on('worker', kill)
    try {
      await workers.at(-1)!.terminate()
      await expect(session.run(pair(1))).rejects.toMatchObject({ code: 'WORKER_DIED' })
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(started.length).toBe(1)
    } finally {
      process.off('worker', kill)
    }
    expect((await session.run(pair(1))).sum!.shape).toEqual([1, 4])
    await session.dispose()
  })

  it('answer the requests that they have before they end', async () => {
    const engine = await load(denseModel(slowWeights), { placement: 'worker' })
    const contexts = await Promise.all([1, 2].map(() => engine.createContext()))
    const answers = contexts.map((context) => context.run(slowFeeds))
    await new Promise((resolve) => setImmediate(resolve)) // on their way to the worker
    await engine[Symbol.asyncDispose]()
    expect((await Promise.all(answers)).map(({ y }) => y!.shape)).toEqual([
      [512, 1024],
      [512, 1024],
    ])
    await expect(contexts[0]!.run(slowFeeds)).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('end with the session', async () => {
    const { result: session, workers } = await workersOf(() => createSession(sumModel(), cpu({ mode: 'throughput' })))
    await session.dispose()
    expect(workers.map((worker) => worker.threadId)).toEqual(workers.map(() => -1))
  })
})

describe('a run in a worker', () => {
  it('stamps every step on the timeline, in order', async () => {
    await using session = await createSession(denseModel(slowWeights), cpu())
    const timeline = new Timeline()
    await session.run(slowFeeds, { timeline })
    expect(timeline.spans.map((span) => span.segment)).toEqual(['queue', 'h2d', 'compute', 'd2h', 'eventLoop'])
    const ends = timeline.spans.map((span) => span.endUs)
    expect(ends).toEqual([...ends].sort((a, b) => a - b))
    expect(timeline.spans.every((span) => span.startUs >= timeline.startUs && span.endUs >= span.startUs)).toBe(true)
  })

  it('neither detaches nor keeps the feeds, whatever their buffer', async () => {
    await using session = await createSession(sumModel(), cpu())
    for (const buffer of [new ArrayBuffer(64), new SharedArrayBuffer(64)]) {
      const a = new Tensor('float32', [2, 4], new Float32Array(buffer, 16, 8).fill(3))
      expect([...(await session.run({ a, b: a })).sum!.toFloat32()]).toEqual(new Array(8).fill(6))
      expect(a.data.byteLength).toBe(32)
    }
  })
})

describe('an aborted creation', () => {
  it('rejects with an AbortError', async () => {
    const controller = new AbortController()
    const opening = createSession(denseModel(slowWeights), { ...cpu(), signal: controller.signal })
    controller.abort()
    await expect(opening).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED' })
  })
})
