import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Feeds, type OptimizationProfile, type Plan, type Shape, Tensor } from '@lowlat/core'
import { type SimulatorControl, simulatorUnavailable, testsOnGpu } from '@lowlat/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { nativeError } from '../testing/fake-native.ts'
import { copyModel, FakeSession, useSimulatedDriver } from '../testing/fake-session.ts'

const reason = testsOnGpu() ? 'needs the simulator, not a GPU' : simulatorUnavailable()

let state = 7
const values = (shape: Shape) =>
  new Tensor(
    'float32',
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (state = (state * 16807) % 2147483647)),
  )
const square = (size: number): Feeds => ({ x: values([size, size]) })
const profile = (min: number, opt: number, max: number): OptimizationProfile => ({
  x: { min: [min, min], opt: [opt, opt], max: [max, max] },
})

describe.skipIf(reason)(`an engine${reason ? ` (${reason})` : ''}`, () => {
  let control: SimulatorControl
  let session: FakeSession
  let fake: FakeSession['fake']

  beforeAll(async () => {
    control = await useSimulatedDriver()
  }, 600_000)

  beforeEach(() => {
    session = new FakeSession()
    fake = session.fake
    return () => {
      expect(fake.live).toEqual({ engines: 0, contexts: 0 })
      session[Symbol.dispose]()
    }
  })

  afterAll(() => {
    const { faultsFired: _, ...counts } = control?.counts() ?? { faultsFired: 0 }
    expect(Object.values(counts).every((count) => count === 0)).toBe(true)
  })

  const model = copyModel(['x', 'y', ['height', 'width']])
  const two = copyModel(['a', 'c', ['batch', 3]], ['b', 'd', ['batch', 5]])
  const compile = (profiles: OptimizationProfile[], options = {}): Promise<Plan> =>
    session.compile(model, options, profiles)

  it('runs shapes of a profile without building or loading anything again', async () => {
    await using engine = await session.load(await compile([profile(1, 4, 8)]))
    await using context = await engine.createContext()
    for (const size of [4, 8, 3, 3, 3, 5, 1, 4, 8]) {
      const feeds = square(size)
      const { y } = await context.run(feeds)
      expect(y!.shape).toEqual([size, size])
      expect(y!.bytes).toEqual(feeds.x!.bytes)
    }
    expect([fake.countOf('build'), fake.countOf('deserialize')]).toEqual([1, 1])
    // 4, 8, 1 stand in the profile; 3 came again; 5 came once.
    expect(engine.inspect().properties).toMatchObject({ graphs: [4], runsOfProfiles: [9] })
    expect(fake.countOf('enqueue')).toBe(4)
  })

  it('reports the memory that its contexts have by now', async () => {
    fake.onHost = ['y'] // so that nothing was measured before
    await using engine = await session.load(await compile([profile(1, 4, 64)]))
    await using context = await engine.createContext()
    const memory = () => engine.inspect().properties.memory as { deviceBytes: number[]; pinnedBytes: number[] }
    const before = memory()
    await context.run(square(64))
    const after = memory()
    expect(after.deviceBytes[0]! - before.deviceBytes[0]!).toBeGreaterThanOrEqual(4 * 64 * 64)
    expect(after.pinnedBytes[0]! - before.pinnedBytes[0]!).toBeGreaterThanOrEqual(4 * 64 * 64)
  })

  it('takes the smallest profile that holds the shapes', async () => {
    await using engine = await session.load(await compile([profile(1, 8, 32), profile(1, 2, 4), profile(4, 8, 16)]))
    await using context = await engine.createContext()
    for (const size of [3, 4, 5, 20, 2]) await context.run(square(size))
    expect(engine.inspect().properties.runsOfProfiles).toEqual([1, 3, 1])
  })

  it('refuses shapes outside of all profiles, naming these', async () => {
    await using engine = await session.load(await compile([profile(1, 2, 4), profile(8, 9, 10)]))
    await using context = await engine.createContext()
    const error = await context.run(square(6)).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'SHAPE_OUTSIDE_PROFILE' })
    expect(String(error)).toMatch(/profile 0: \[1, 1\] to \[4, 4\]; profile 1: \[8, 8\] to \[10, 10\]/)
    expect((await context.run(square(4))).y!.shape).toEqual([4, 4])
  })

  it('keeps a bounded number of graphs, of which the least recently used goes for what comes more often', async () => {
    await using engine = await session.load(await compile([profile(1, 1, 8)]), { graphs: 2 })
    await using context = await engine.createContext()
    const captured = async (size: number) => {
      const before = fake.countOf('enqueue')
      const feeds = square(size)
      expect((await context.run(feeds)).y!.bytes).toEqual(feeds.x!.bytes)
      return fake.countOf('enqueue') - before
    }
    const counts = []
    // 5 comes more often than 1, whose graph goes.
    for (const size of [8, 1, 8, 5, 5, 5, 8, 5, 1]) counts.push(await captured(size))
    expect(counts).toEqual([1, 1, 0, 0, 0, 1, 0, 0, 0])
    expect(engine.inspect().properties.graphs).toEqual([2])
    expect(fake.live.contexts).toBe(3) // of two graphs, and one for runs without
  })

  it('returns the outputs that are asked for, from graphs of their own', async () => {
    const plan = await session.compile(two)
    await using engine = await session.load(plan)
    await using context = await engine.createContext()
    const feeds = { a: values([16, 3]), b: values([16, 5]) }
    for (let run = 0; run < 3; run++) {
      const { c, d } = await context.run(feeds)
      expect([c!.bytes, d!.bytes]).toEqual([feeds.a.bytes, feeds.b.bytes])
      const only = await context.run(feeds, { outputs: ['d'] })
      expect([Object.keys(only), only.d!.bytes]).toEqual([['d'], feeds.b.bytes])
    }
  })

  it('goes on without graphs where a capture is refused, and says so', async () => {
    await using engine = await session.load(await compile([profile(1, 4, 8)]))
    await using context = await engine.createContext()
    fake.failures.set('enqueue', nativeError('REFUSED', { call: 'enqueueV3', errors: ['not in a capture'] }))
    for (let run = 0; run < 3; run++) {
      const feeds = square(4)
      expect((await context.run(feeds)).y!.bytes).toEqual(feeds.x!.bytes)
    }
    expect(fake.countOf('enqueue')).toBe(1)
    expect(engine.inspect().properties).toMatchObject({
      graphs: [0],
      noGraphs: expect.stringContaining('not in a capture'),
    })
  })

  it('uses no graphs when told so', async () => {
    await using engine = await session.load(await compile([profile(1, 4, 8)]), { graphs: 0 })
    await using context = await engine.createContext()
    for (const size of [4, 4, 8]) expect((await context.run(square(size))).y!.shape).toEqual([size, size])
    expect(fake.countOf('enqueue')).toBe(0)
    expect(fake.countOf('createContext')).toBe(2) // one to measure with
  })

  it('fetches outputs whose sizes TensorRT finds', async () => {
    fake.dataDependent = ['y']
    await using engine = await session.load(await compile([profile(1, 4, 8)]))
    await using context = await engine.createContext()
    for (const size of [4, 4, 7, 2, 8]) {
      const feeds = square(size)
      const { y } = await context.run(feeds)
      expect([y!.shape, y!.bytes]).toEqual([[size, size], feeds.x!.bytes])
    }
    expect(await context.run(square(3), { outputs: [] })).toEqual({})
    expect(engine.inspect().properties).toMatchObject({ noGraphs: expect.stringContaining('depend on data') })
  })

  it('hands inputs and outputs on the host to TensorRT in host memory', async () => {
    fake.onHost = ['y']
    await using engine = await session.load(await compile([profile(1, 4, 8)]))
    await using context = await engine.createContext()
    for (const size of [4, 8, 8]) {
      const feeds = square(size)
      expect((await context.run(feeds)).y!.bytes).toEqual(feeds.x!.bytes)
    }
    expect(fake.countOf('enqueue')).toBe(0)
  })

  it('lets contexts take turns in one memory', async () => {
    await using engine = await session.load(await compile([profile(1, 4, 8)]), { sharedMemory: true })
    expect(engine.preferredContexts).toBe(1)
    const contexts = await Promise.all([1, 2, 3].map(() => engine.createContext()))
    const runs = contexts.flatMap((context) =>
      [4, 8].map(async (size) => {
        const feeds = square(size)
        expect((await context.run(feeds)).y!.bytes).toEqual(feeds.x!.bytes)
      }),
    )
    // One run at a time in each context, so that the second ones wait.
    await Promise.all(runs.filter((_, index) => index % 2 === 0))
    await Promise.all(runs)
    expect(engine.inspect().properties.memory).toMatchObject({ shared: true })
  })

  it('measures layers apart from what serves runs', async () => {
    await using engine = await session.load(await compile([profile(1, 4, 8)]))
    await using context = await engine.createContext()
    await context.run(square(4))
    const before = fake.live.contexts
    expect(await context.profile!(square(4), 3)).toEqual([{ name: 'copy', operator: 'Copy', meanUs: 250, calls: 3 }])
    expect(fake.live.contexts).toBe(before)
    expect(engine.inspect().layers).toEqual([{ name: 'copy', operator: 'Copy', precision: 'FP32' }])
  })

  it('gives streams of its own to all TensorRT contexts', async () => {
    fake.auxStreams = 2
    await using engine = await session.load(await compile([profile(1, 4, 8)]), { persistentCacheBytes: 4096 })
    await using context = await engine.createContext()
    for (const size of [4, 8, 5]) await context.run(square(size))
    expect([fake.countOf('setAuxStreams'), fake.countOf('setPersistentCacheLimit')]).toEqual([3, 3])
  })

  it.each([0, 16])('goes on after a run that fails, with %i graphs', async (graphs) => {
    await using engine = await session.load(await compile([profile(1, 4, 8)]), { graphs })
    await using context = await engine.createContext()
    const calls = ['setProfile', 'setInputShape', 'inferShapes', 'enqueueInThread', ...(graphs > 0 ? ['enqueue'] : [])]
    for (const call of calls) {
      // What is refused without memory is not put down to the capture.
      const code = call === 'enqueue' ? 'OUT_OF_MEMORY' : 'REFUSED'
      fake.failures.set(call, nativeError(code, { call, errors: ['asked for'] }))
      const failed = { code: code === 'REFUSED' ? 'RUN_FAILED' : code, details: { call } }
      await expect(context.run(square(8))).rejects.toMatchObject(failed)
    }
    for (const size of [8, 4, 8]) {
      const feeds = square(size)
      expect((await context.run(feeds)).y!.bytes).toEqual(feeds.x!.bytes)
    }
    expect(engine.inspect().properties.graphs).toEqual([graphs > 0 ? 2 : 0])
  })

  it('is disposed in any order, also while it runs, and refuses work afterwards', async () => {
    const plan = await compile([profile(1, 4, 8)])
    for (const order of ['engine', 'context', 'both']) {
      const engine = await session.load(plan)
      const contexts = [await engine.createContext(), await engine.createContext()]
      const pending = contexts.map((context) => context.run(square(4)))
      if (order !== 'engine') await contexts[0]![Symbol.asyncDispose]()
      if (order === 'both') await contexts[1]![Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
      for (const run of pending) expect((await run).y!.shape).toEqual([4, 4])
      await expect(contexts[0]!.run(square(4))).rejects.toMatchObject({ code: 'DISPOSED' })
      await engine[Symbol.asyncDispose]()
      expect(fake.live).toEqual({ engines: 0, contexts: 0 })
    }
  })

  it('waits for contexts that are being disposed, and makes no more', async () => {
    const engine = await session.load(await compile([profile(1, 4, 8)]))
    const contexts = [await engine.createContext(), await engine.createContext()]
    const pending = contexts.map((context) => context.run(square(4)))
    const going = contexts[0]![Symbol.asyncDispose]()
    const gone = engine[Symbol.asyncDispose]()
    await expect(engine.createContext()).rejects.toMatchObject({ code: 'DISPOSED' })
    await gone
    expect(fake.live).toEqual({ engines: 0, contexts: 0 })
    await going
    for (const run of pending) expect((await run).y!.shape).toEqual([4, 4])
    await expect(engine.createContext()).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('refuses plans for other versions, GPUs and backends, and damaged ones', async () => {
    const plan = await compile([profile(1, 4, 8)])
    const facts = (plan.metadata as { facts: { tensorRt: string; gpu: Record<string, unknown> } }).facts
    const withFacts = (changed: object): Plan => ({
      ...plan,
      metadata: { ...plan.metadata, facts: { ...facts, ...changed } },
    })
    const codeOf = (other: Plan) =>
      session.load(other).then(
        () => 'loaded',
        (error) => error.code,
      )
    expect(await codeOf({ ...plan, backend: 'cuda' })).toBe('PLAN_STALE')
    expect(await codeOf(withFacts({ tensorRt: '10.13.1' }))).toBe('PLAN_STALE')
    expect(await codeOf(withFacts({ gpu: { ...facts.gpu, name: 'NVIDIA T4' } }))).toBe('PLAN_STALE')
    expect(await codeOf({ ...plan, metadata: {} })).toBe('PLAN_INVALID')
    expect(await codeOf(withFacts({ gpu: null }))).toBe('PLAN_INVALID')
    expect(await codeOf({ ...plan, metadata: { ...plan.metadata, plugins: [1] } })).toBe('PLAN_INVALID')
    expect(await codeOf({ ...plan, outputs: [{ ...plan.outputs[0]!, name: 'z' }] })).toBe('PLAN_INVALID')
    const bytes = new Uint8Array(10)
    expect(await codeOf({ ...plan, payload: { kind: 'bytes', bytes } })).toBe('PLAN_INVALID')
    writeFileSync(join(session.folder, 'truncated'), bytes)
    expect(await codeOf({ ...plan, payload: { kind: 'file', path: join(session.folder, 'truncated') } })).toBe(
      'PLAN_INVALID',
    )
    const log = [{ severity: 'error', message: 'bad magic' }]
    fake.failures.set('deserialize', nativeError('REFUSED', { call: 'deserializeCudaEngine', log }))
    await expect(session.load(plan)).rejects.toMatchObject({
      code: 'PLAN_INVALID',
      message:
        "TensorRT refuses the plan: TensorRT's deserializeCudaEngine failed: bad magic. Compile the model again.",
      details: { log },
    })
    // What is no fault of the plan would have it built again for nothing.
    fake.failures.set('deserialize', nativeError('REFUSED', { call: 'createInferRuntime' }))
    expect(await codeOf(plan)).toBe('RUN_FAILED')
    fake.failures.set('deserialize', nativeError('CUDA_FAILED', { call: 'cuCtxSetCurrent', result: 201 }))
    expect(await codeOf(plan)).toBe('RUN_FAILED')
    const gone = { kind: 'file', path: join(session.folder, 'gone') } as const
    expect(await codeOf({ ...plan, payload: gone })).toBe('PLAN_INVALID')
    fake.failures.set('deserialize', nativeError('OUT_OF_MEMORY', {}))
    expect(await codeOf(plan)).toBe('OUT_OF_MEMORY')
    fake.failures.set('createContext', nativeError('OUT_OF_MEMORY', {}))
    expect(await codeOf(plan)).toBe('OUT_OF_MEMORY')
  })

  it('takes plans for several kinds of GPU also where the options do not say so again', async () => {
    for (const hardwareCompatibility of ['ampere-plus', 'same-compute-capability']) {
      const plan = await compile([profile(1, 4, 8)], { hardwareCompatibility, versionCompatible: true })
      await (await session.load(plan))[Symbol.asyncDispose]()
    }
    const plan = await compile([profile(1, 4, 8)], { hardwareCompatibility: 'same-compute-capability' })
    const { facts } = plan.metadata as { facts: object }
    const other = { ...plan, metadata: { ...plan.metadata, facts: { ...facts, gpu: { computeCapability: 75 } } } }
    await expect(session.load(other)).rejects.toMatchObject({ code: 'PLAN_STALE' })
  })

  it('takes version-compatible plans of earlier releases of the same major', async () => {
    const plan = await compile([profile(1, 4, 8)], { versionCompatible: true })
    const codeUnder = async (minor: number, major = 10) => {
      fake.version = { major, minor, patch: 0 }
      return session.load(plan, { versionCompatible: true }).then(
        async (engine) => {
          await engine[Symbol.asyncDispose]()
          return 'loaded'
        },
        (error) => error.code,
      )
    }
    expect([await codeUnder(14), await codeUnder(12), await codeUnder(0, 11)]).toEqual([
      'loaded',
      'PLAN_STALE',
      'PLAN_STALE',
    ])
  })
})
