import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSession, type Plan, type SessionOptions, Tensor } from '@lowlat/core'
import { openDriver } from '@lowlat/cuda-driver'
import { denseModel, nvinferErrors, simulatorUnavailable, smallModel, sumModel, testsOnGpu } from '@lowlat/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { BuildEvent } from './native.ts'
import { failingCalls } from './testing/failing-calls.ts'
import { type StandIn, useStandIn } from './testing/stand-in.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

const row = (rows: number, value: number) => new Tensor('float32', [rows, 4], new Float32Array(rows * 4).fill(value))
const batch = (min: number, opt: number, max: number) => {
  const range = { min: [min, 4], opt: [opt, 4], max: [max, 4] }
  return { a: range, b: range }
}
const weights = new Tensor(
  'float32',
  [4, 4],
  Float32Array.from({ length: 16 }, (_, i) => (i % 5) - 2),
)
const unknownModel = smallModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: [4] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [4] }],
  nodes: [['NoSuchOperator', ['x'], ['y']]],
})
const nonZeroModel = smallModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: ['n'] }],
  outputs: [{ name: 'y', dtype: 'int64', shape: [1, 'found'] }],
  nodes: [['NonZero', ['x'], ['y']]],
})

describe.skipIf(reason).each([10, 11] as const)(
  `TensorRT %i, as its stand-in${reason ? ` (${reason})` : ''}`,
  (major) => {
    let standIn: StandIn
    const folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-stand-in-'))

    beforeAll(async () => {
      standIn = await useStandIn(major)
    }, 600_000)
    beforeEach(() => standIn.control.reset())
    afterEach(() => expect(standIn.control.violations()).toEqual([]))
    afterAll(() => {
      rmSync(folder, { recursive: true, force: true })
      expect(standIn?.control.alive('CudaEngine') ?? 0).toBe(0)
    })

    const open = (model: Uint8Array, trt: Record<string, unknown> = {}, options: SessionOptions = {}) =>
      createSession(model, {
        backend: standIn.backend(),
        backendOptions: { trt: { timingCache: false, ...trt } },
        cache: false,
        ...options,
      })
    const codeOf = (promise: Promise<AsyncDisposable>) =>
      promise.then(
        async (session) => {
          await session[Symbol.asyncDispose]()
          return 'worked'
        },
        (error) => error.code,
      )

    it('runs shapes of two profiles as graphs, without building again', async () => {
      await using session = await open(sumModel(), {}, { profiles: [batch(1, 1, 4), batch(2, 16, 32)], contexts: 1 })
      for (const rows of [1, 4, 16, 32, 3, 3, 5, 5, 32, 1]) {
        const { sum, difference } = await session.run({ a: row(rows, 5), b: row(rows, 3) })
        expect([sum!.data, difference!.data]).toEqual([row(rows, 8).data, row(rows, 2).data])
      }
      expect(standIn.control.calls('Builder.buildSerializedNetwork')).toBe(1)
      const { graphs, runsOfProfiles } = session.inspect().properties as { graphs: number[]; runsOfProfiles: number[] }
      expect(graphs).toEqual([6])
      expect(runsOfProfiles.every((runs) => runs > 0)).toBe(true)
      const enqueued = standIn.control.calls('ExecutionContext.enqueueV3')
      await session.run({ a: row(32, 5), b: row(32, 3) })
      expect(standIn.control.calls('ExecutionContext.enqueueV3')).toBe(enqueued)
    })

    it('goes on without graphs where captures are refused', async () => {
      standIn.control.refuseCapture(true)
      await using session = await open(sumModel())
      for (const rows of [1, 1, 2, 16]) {
        const { sum } = await session.run({ a: row(rows, 5), b: row(rows, 3) })
        expect(sum!.data).toEqual(row(rows, 8).data)
      }
      expect(session.inspect().properties).toMatchObject({ noGraphs: expect.stringContaining('enqueueV3') })
    })

    it('returns outputs whose sizes depend on data', async () => {
      await using session = await open(nonZeroModel)
      for (const values of [[0, 1, 0, 2], [1], [0, 0, 0], [3, 3, 3, 0, 3]]) {
        const { y } = await session.run({ x: new Tensor('float32', [values.length], Float32Array.from(values)) })
        const found = values.flatMap((value, index) => (value === 0 ? [] : [BigInt(index)]))
        expect([y!.shape, [...(y!.data as BigInt64Array)]]).toEqual([[1, found.length], found])
      }
    })

    it('reads inputs that are shapes from host memory', async () => {
      const model = smallModel({
        inputs: [
          { name: 'x', dtype: 'float32', shape: ['n'] },
          { name: 'shape', dtype: 'int64', shape: [2] },
        ],
        outputs: [{ name: 'y', dtype: 'float32', shape: ['rows', 'columns'] }],
        nodes: [['Reshape', ['x', 'shape'], ['y']]],
      })
      const shapeValues = { shape: { min: [1, 1], opt: [2, 4], max: [8, 8] } }
      const defaultRange = { min: 1, opt: 8, max: 64 }
      await using session = await open(model, { shapeValues, defaultRange }, { warmup: false })
      const shapes = [
        [2, 4],
        [4, 2],
        [8, 1],
        [3, 2],
        [2, 3],
      ]
      for (const shape of shapes) {
        const x = Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => i)
        const feeds = {
          x: new Tensor('float32', [x.length], x),
          shape: new Tensor('int64', [2], BigInt64Array.from(shape, BigInt)),
        }
        const { y } = await session.run(feeds)
        expect([y!.shape, y!.data]).toEqual([shape, x])
      }
      await expect(open(model, { shapeValues, defaultRange })).rejects.toMatchObject({
        code: 'RUN_FAILED',
        message: expect.stringMatching(/warm-up.* outside of profile 0.*warmup: \[feeds\]/),
      })
      const outside = {
        x: new Tensor('float32', [16], new Float32Array(16)),
        shape: new Tensor('int64', [2], BigInt64Array.of(16n, 1n)),
      }
      await expect(session.run(outside)).rejects.toMatchObject({
        code: 'SHAPE_OUTSIDE_PROFILE',
        message: expect.stringMatching(/\[16, 1\] of input 'shape' .* profile 0: \[1, 1\] to \[8, 8\].*shapeValues/),
      })
    })

    it('shares device memory among contexts that take turns', async () => {
      await using session = await open(denseModel(weights), { sharedMemory: true }, { contexts: 3 })
      const results = await Promise.all(
        Array.from({ length: 30 }, async (_, i) => (await session.run({ x: row(1 + (i % 3), i) })).y!.shape),
      )
      expect(results.map(([rows]) => rows)).toEqual(results.map((_, i) => 1 + (i % 3)))
    })

    it('computes in float16 where asked, and shows it for every layer', async () => {
      await using session = await open(denseModel(weights), {}, { precision: 'fp16' })
      const { y } = await session.run({ x: row(2, 0.5) })
      expect(y!.dtype).toBe('float32')
      expect(session.inspect().layers!.some(({ precision }) => precision === 'FP16')).toBe(true)
      const timings = await session.profile({ x: row(2, 0.5) }, 3)
      expect(timings.length).toBe(session.inspect().layers!.length)
      expect(timings.every(({ calls, operator }) => calls === 3 && operator !== '')).toBe(true)
    })

    it('tells why a model is refused, with every error of the parser', async () => {
      const error = await open(unknownModel).catch((error: unknown) => error)
      expect(error).toMatchObject({
        code: 'MODEL_UNSUPPORTED',
        message: expect.stringContaining('NoSuchOperator'),
        details: { errors: [expect.objectContaining({ nodeOperator: 'NoSuchOperator' })] },
      })
    })

    it('reports a build, and cancels it', async () => {
      const events: BuildEvent[] = []
      await using session = await open(sumModel(), { onBuild: (event: BuildEvent) => events.push(event) })
      expect(session.backend).toBe('trt')
      const starts = events.filter(({ kind }) => kind === 'phase-start').length
      expect(starts).toBeGreaterThan(0)
      expect(events.filter(({ kind }) => kind === 'phase-end')).toHaveLength(starts)
      standIn.control.reset()
      standIn.control.setBuild({ steps: 200, stepMs: 5 })
      const controller = new AbortController()
      const onBuild = () => controller.abort()
      expect(await codeOf(open(sumModel(), { onBuild }, { signal: controller.signal }))).toBe('ABORTED')
      // The promise settles at once, TensorRT between two steps.
      while (standIn.control.alive('Builder') > 0) await new Promise((resolve) => setTimeout(resolve, 5))
      expect(standIn.control.calls('Runtime.deserializeCudaEngine')).toBe(0)
    })

    it.each(failingCalls)(
      'gives a typed error where %s fails, also for want of memory, and works afterwards',
      async (name, code) => {
        const { control } = standIn
        control.failCall({ name })
        expect(await codeOf(open(sumModel()))).toBe(code)
        expect(control.faultsFired).toBe(1)
        control.failCall({ name, code: nvinferErrors.outOfMemory })
        expect(['OUT_OF_MEMORY', code]).toContain(await codeOf(open(sumModel())))
        expect(control.faultsFired).toBe(2)
        expect(await codeOf(open(sumModel()))).toBe('worked')
      },
    )

    it('refuses plans that are damaged, or for another GPU, and compiles again from the cache', async () => {
      const backend = standIn.backend()
      const backendOptions = { timingCache: false }
      const workFolder = mkdtempSync(join(folder, 'work-'))
      const compiled = await backend.compile(
        { kind: 'bytes', bytes: sumModel() },
        { precision: 'model', profiles: [], backendOptions, workFolder },
      )
      const bytes = new Uint8Array(readFileSync((compiled.payload as { path: string }).path))
      const load = (payload: Uint8Array, planBytes = payload.byteLength) =>
        codeOf(
          backend.load(
            {
              ...compiled,
              metadata: { ...compiled.metadata, planBytes },
              payload: { kind: 'bytes', bytes: payload },
            } as Plan,
            { backendOptions },
          ),
        )
      expect(await load(bytes)).toBe('worked')
      for (let length = 0; length < bytes.byteLength; length += 1024) {
        expect(await load(bytes.subarray(0, length), bytes.byteLength)).toBe('PLAN_INVALID')
        expect(await load(bytes.slice(0, length))).toBe('PLAN_INVALID')
      }
      const other = bytes.slice()
      other[other.length - 1]! ^= 0xff
      expect(await load(other)).toBe('PLAN_INVALID')
      standIn.control.setGpuName('NVIDIA Other')
      expect(await load(bytes)).toBe('PLAN_INVALID')
      // A plan of a GPU that calls itself the same: TensorRT refuses it, and the session builds another one.
      const cache = { folder: join(folder, 'cache') }
      standIn.control.setGpuName('')
      await (await open(sumModel(), {}, { cache }))[Symbol.asyncDispose]()
      standIn.control.setGpuName('NVIDIA Other')
      const builds = standIn.control.calls('Builder.buildSerializedNetwork')
      await (await open(sumModel(), {}, { cache }))[Symbol.asyncDispose]()
      await (await open(sumModel(), {}, { cache }))[Symbol.asyncDispose]()
      expect(standIn.control.calls('Builder.buildSerializedNetwork')).toBe(builds + 1)
    })

    it('builds what the options ask for', async () => {
      const path = join(folder, 'dense.onnx')
      writeFileSync(path, denseModel(weights))
      const run = async (trt: Record<string, unknown>) => {
        const backendOptions = { trt: { timingCache: join(folder, 'times'), ...trt } }
        await using session = await createSession(path, { backend: standIn.backend(), backendOptions, cache: false })
        const { y } = await session.run({ x: row(3, 1) })
        return { data: [...y!.toFloat32()], properties: session.inspect().properties }
      }
      const { data } = await run({})
      expect((await run({ stripPlan: true })).data).toEqual(data)
      expect(standIn.control.calls('OnnxParserRefitter.refitFromBytes')).toBe(1)
      const options = {
        hardwareCompatibility: 'ampere-plus',
        refit: 'all',
        auxStreams: 1,
        optimizationLevel: 5,
        workspaceMB: 64,
      }
      const { data: same, properties } = await run({ ...options, versionCompatible: true, persistentCacheBytes: 4096 })
      expect(same).toEqual(data)
      expect(properties).toMatchObject({ hardwareCompatibility: 'AMPERE_PLUS', refittable: true })
      expect(standIn.control.calls('ExecutionContext.setPersistentCacheLimit')).toBeGreaterThan(0)
      await expect(run({ builderFlags: ['NO_SUCH_FLAG'] })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
      await expect(run({ plugins: ['/no/such/plugin.so'] })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
      const loose = run({ stronglyTyped: false, builderFlags: ['BF16'] })
      if (major === 10) expect((await loose).data).toEqual(data)
      else await expect(loose).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    })

    it('captures nothing while weights are streamed, and says so before anything runs', async () => {
      await using session = await open(denseModel(weights), { weightStreamingMB: 0 }, { warmup: false, contexts: 1 })
      const noGraphs = session.inspect().properties.noGraphs
      expect(noGraphs).toMatch(/weights come from the host/)
      for (let run = 0; run < 3; run++) await session.run({ x: row(1, 1) })
      expect(standIn.control.calls('ExecutionContext.enqueueV3')).toBe(3)
      expect(session.inspect().properties.noGraphs).toBe(noGraphs)
    })

    it('is to be had call by call', async () => {
      const { tensorRt } = standIn
      const driver = openDriver()
      using cuda = driver.createContext(driver.devices()[0]!)
      using stream = cuda.createStream()
      expect(tensorRt.major).toBe(major)
      expect(tensorRt.initPlugins()).toBe(true)
      const model = { bytes: denseModel(weights) }
      expect(await tensorRt.supports(model)).toMatchObject({ supported: true, errors: [] })
      expect(await tensorRt.supports({ bytes: unknownModel })).toMatchObject({ supported: false })
      const profile = { x: { min: [1, 4], opt: [2, 4], max: [8, 4] } }
      const result = await tensorRt.build(model, {
        cuda,
        profiles: [profile],
        flags: ['REFIT'],
        profilingVerbosity: 'DETAILED',
        useTimingCache: true,
      })
      expect(result.timingCache!.byteLength).toBeGreaterThan(0)
      const again = { cuda, profiles: [profile], useTimingCache: true, timingCache: new Uint8Array(5) }
      expect((await tensorRt.build(model, again)).timingCacheRefused).toBe(true)
      await using engine = await tensorRt.deserialize(result.plan, { cuda })
      expect(engine.profileShape('x', 0)).toEqual(profile.x)
      expect([engine.profileCount, engine.refittable]).toEqual([1, true])
      expect(engine.layers().layers).toHaveLength(engine.layerCount)
      expect(JSON.parse(engine.inspectLayer(0))).toBeTypeOf('object')
      expect(engine.inspect('oneline')).not.toBe('')
      expect((await engine.refit(model)).missing).toEqual([])
      expect((await engine.serialize()).byteLength).toBeGreaterThan(0)
      await using context = await engine.createContext()
      using x = cuda.allocate(64)
      using y = cuda.allocate(64)
      await context.setProfileInThread(0, stream)
      context.setInputShape('x', [2, 4])
      expect(context.inferShapes()).toEqual([])
      expect([context.shapeOf('y'), context.maxOutputBytes('y'), context.stridesOf('y')]).toEqual([[2, 4], 32, [4, 1]])
      expect(context.memoryForShapes()).toBeLessThanOrEqual(engine.deviceMemoryBytes(0))
      expect(() => context.enqueue(stream)).toThrow(expect.objectContaining({ code: 'RUN_FAILED' }))
      context.setAddress('x', x.address)
      context.setAddress('y', y.address)
      using consumed = cuda.createEvent()
      context.setInputConsumedEvent(consumed)
      context.setProfiling(true)
      context.enqueue(stream)
      while (!stream.query()) await new Promise((resolve) => setImmediate(resolve))
      expect(consumed.query()).toBe(true)
      expect(context.reportProfile()).toHaveLength(engine.layerCount)
      expect(() => context.setInputShape('x', [9, 4])).toThrow(expect.objectContaining({ code: 'RUN_FAILED' }))
      await expect(engine.dispose()).rejects.toMatchObject({ code: 'RUN_FAILED' })
    })
  },
)
