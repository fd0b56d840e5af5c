import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tensor } from '@lowlat/core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { denseModel, smallModel, sumModel } from '../contract/models.ts'
import { simulatorUnavailable } from '../cuda-sim/compiler.ts'
import { testsOnGpu } from '../cuda-sim/hardware.ts'
import { NvinferHarness, type Profiles } from './harness.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

const SIZE = 128
const CAPTURE_RELAXED = 2
const rows = (min: number, max: number) => ({ min: [min, SIZE], opt: [min, SIZE], max: [max, SIZE] })
const profiles: Profiles = [{ x: rows(1, SIZE) }]
const weights = new Tensor('float32', [SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(1))
const model = denseModel(weights)
const small = { min: [1, 4], opt: [1, 4], max: [8, 4] }

/** What TensorRT asks of its callers: the stand-in refuses, or counts as a violation, what breaks in the field. */
describe.skipIf(reason).each(['10.16.0', '11.1.0'])(
  `the rules of TensorRT %s, in its stand-in${reason ? ` (${reason})` : ''}`,
  (version) => {
    const major = Number(version.split('.')[0]) as 10 | 11
    let trt: NvinferHarness
    const folder = mkdtempSync(join(tmpdir(), 'lowlat-rules-'))
    afterAll(() => rmSync(folder, { recursive: true }))
    beforeAll(async () => {
      trt = await NvinferHarness.build({ major, version })
    }, 600_000)
    beforeEach(() => trt.start())

    const textOf = async (promise: Promise<unknown>): Promise<string> => {
      const error = (await promise.then(
        () => expect.fail('should have been refused'),
        (thrown: unknown) => thrown,
      )) as { message: string; log?: { message: string }[] }
      return [error.message, ...(error.log ?? []).map(({ message }) => message)].join('\n')
    }
    const stream = () => trt.made('cuStreamCreate', ['uint'], 1)
    const bytes = (count: number) => trt.upload(new Uint8Array(count))
    const synchronize = () => trt.cuda('cuCtxSynchronize', [])
    const pinned = (count: number) => trt.made('cuMemHostAlloc', ['size_t', 'uint'], count, 0)
    const file = (content: Uint8Array): string => {
      const path = join(folder, 'some.plan')
      writeFileSync(path, content)
      return path
    }
    const allRows = SIZE * SIZE * 4

    type Engine = Awaited<ReturnType<NvinferHarness['engine']>>
    type Context = Awaited<ReturnType<Engine['createContext']>>

    /** A context that has all it needs for as many rows, in the memory given. */
    async function contextOf(engine: Engine, count = SIZE, scratch?: number): Promise<Context> {
      const context = await engine.createContext({ memory: scratch === undefined ? 'own' : 'user' })
      if (scratch !== undefined) context.setDeviceMemory(scratch, engine.deviceMemoryBytes())
      context.setInputShape('x', [count, SIZE])
      for (const name of ['x', 'y']) context.setAddress(name, bytes(allRows))
      return context
    }
    async function dispose(engine: Engine, ...contexts: Context[]): Promise<void> {
      synchronize()
      for (const context of contexts) await context.dispose()
      await engine.dispose()
    }
    function capture(context: Context, on: number): number {
      trt.cuda('cuStreamBeginCapture_v2', ['uint64', 'int'], on, CAPTURE_RELAXED)
      const graph = new BigUint64Array(1)
      try {
        context.enqueue(on)
      } finally {
        trt.cuda('cuStreamEndCapture', ['uint64', 'void *'], on, graph)
      }
      return trt.made('cuGraphInstantiateWithFlags', ['uint64', 'uint64'], Number(graph[0]), 0)
    }

    test('tensors lie in device memory that holds them', async () => {
      const engine = await trt.engine(model, { profiles })
      const context = await contextOf(engine)
      context.setAddress('x', pinned(allRows))
      expect(() => context.enqueue(trt.stream)).toThrow(/x is no memory of the device/)
      context.setAddress('x', bytes(allRows - 4))
      expect(() => context.enqueue(trt.stream)).toThrow(/x needs 65536 bytes, its allocation has 65532/)
      context.setAddress('x', bytes(allRows))
      context.setAddress('y', bytes(256))
      expect(() => context.enqueue(trt.stream)).toThrow(/y needs 65536 bytes, its allocation has 256/)
      expect(() => context.setAddress('y', bytes(allRows) + 64)).toThrow(/no multiple of 256/)
      context.setInputShape('x', [1, SIZE])
      context.setAddress('y', bytes(SIZE * 4))
      context.enqueue(trt.stream)
      await dispose(engine, context)
    })

    test('device memory of a context is what it was said to be', async () => {
      const engine = await trt.engine(model, { profiles })
      const needed = engine.deviceMemoryBytes()
      const context = await contextOf(engine, SIZE, bytes(needed - 256))
      expect(() => context.enqueue(trt.stream)).toThrow(/the device memory needs/)
      context.setDeviceMemory(pinned(needed), needed)
      expect(() => context.enqueue(trt.stream)).toThrow(/the device memory is no memory of the device/)
      await dispose(engine, context)
    })

    test('values that decide about shapes lie on the host', async () => {
      const reshape = smallModel({
        inputs: [
          { name: 'x', dtype: 'float32', shape: ['n'] },
          { name: 'sizes', dtype: 'int64', shape: [2] },
        ],
        outputs: [{ name: 'y', dtype: 'float32', shape: ['rows', 'columns'] }],
        nodes: [['Reshape', ['x', 'sizes'], ['y']]],
      })
      const sizes = { min: [1, 1], opt: [2, 2], max: [4, 4], values: true }
      const engine = await trt.engine(reshape, { profiles: [{ x: { min: [1], opt: [4], max: [16] }, sizes }] })
      const context = await engine.createContext({ memory: 'own' })
      context.setInputShape('x', [6])
      context.setAddress('sizes', trt.upload(BigInt64Array.of(2n, 3n)))
      expect(() => context.inferShapes()).toThrow(/sizes have to lie on the host/)
      context.setAddress('sizes', pinned(8))
      expect(() => context.inferShapes()).toThrow(/sizes needs 16 bytes, its memory has 8/)
      await dispose(engine, context)
    })

    test('contexts that run at once work in memory of their own', async () => {
      const engine = await trt.engine(model, { profiles })
      const [shared, other] = [bytes(engine.deviceMemoryBytes()), bytes(engine.deviceMemoryBytes())]
      const contexts = await Promise.all([shared, shared, other].map((scratch) => contextOf(engine, SIZE, scratch)))
      const streams = [stream(), stream(), stream()]
      const runAtOnce = (...which: number[]) => {
        trt.simulator.hold(true)
        for (const index of which) contexts[index]!.enqueue(streams[index]!)
        trt.simulator.hold(false)
        synchronize()
      }
      runAtOnce(0, 2)
      runAtOnce(0)
      runAtOnce(1)
      expect(trt.control.violations()).toEqual([])
      runAtOnce(0, 1)
      expect(trt.control.violations()).toContain('two execution contexts run at once in the same device memory')
      await dispose(engine, ...contexts)
    })

    test('a context serves one run at a time, also as a graph', async () => {
      const engine = await trt.engine(model, { profiles })
      const context = await contextOf(engine)
      const [first, second] = [stream(), stream()]
      context.enqueue(first)
      synchronize()
      const graph = capture(context, first)
      trt.cuda('cuGraphLaunch', ['uint64', 'uint64'], graph, first)
      trt.cuda('cuGraphLaunch', ['uint64', 'uint64'], graph, first)
      synchronize()
      expect(trt.control.violations()).toEqual([])
      trt.simulator.hold(true)
      trt.cuda('cuGraphLaunch', ['uint64', 'uint64'], graph, first)
      context.enqueue(second)
      trt.simulator.hold(false)
      synchronize()
      expect(trt.control.violations()).toContain('an execution context is used by two runs at once')
      await dispose(engine, context)
    })

    test('a graph holds as long as the context keeps its shapes', async () => {
      const engine = await trt.engine(model, { profiles })
      const context = await contextOf(engine)
      context.enqueue(trt.stream)
      synchronize()
      const graph = capture(context, trt.stream)
      context.setInputShape('x', [SIZE, SIZE])
      trt.cuda('cuGraphLaunch', ['uint64', 'uint64'], graph, trt.stream)
      synchronize()
      expect(trt.control.violations()).toEqual([])
      context.setInputShape('x', [1, SIZE])
      trt.cuda('cuGraphLaunch', ['uint64', 'uint64'], graph, trt.stream)
      synchronize()
      expect(trt.control.violations()).toEqual([
        'a graph runs that was captured before its execution context got other shapes',
      ])
      await dispose(engine, context)
    })

    test('a change of the profile is awaited where another stream runs', async () => {
      const engine = await trt.engine(model, { profiles: [...profiles, ...profiles] })
      const context = await contextOf(engine)
      const other = stream()
      const change = (profile: number) => {
        context.setProfile(profile, other)
        context.setInputShape('x', [1, SIZE])
      }
      change(1)
      synchronize()
      context.enqueue(trt.stream)
      synchronize()
      change(0)
      context.enqueue(other)
      synchronize()
      expect(trt.control.violations()).toEqual([])
      trt.simulator.hold(true)
      change(1)
      context.enqueue(trt.stream)
      trt.simulator.hold(false)
      expect(trt.control.violations()).toEqual([
        'a run was enqueued to another stream than the one in which the profile is being changed',
      ])
      await dispose(engine, context)
    })

    test('an engine is refitted, and a context destroyed, when nothing of it runs', async () => {
      const engine = await trt.engine(model, { profiles, flags: ['REFIT'] })
      const context = await contextOf(engine)
      await engine.refit({ bytes: model })
      expect(trt.control.violations()).toEqual([])
      trt.simulator.hold(true)
      context.enqueue(trt.stream)
      const refitted = engine.refit({ bytes: model })
      await expect.poll(() => trt.control.violations()).toEqual(['an engine was refitted while its work was queued'])
      trt.simulator.hold(false)
      await refitted
      synchronize()
      trt.control.reset()
      trt.simulator.hold(true)
      context.enqueue(trt.stream)
      const gone = context.dispose()
      await expect
        .poll(() => trt.control.violations())
        .toEqual(['an execution context was destroyed while its work was queued'])
      trt.simulator.hold(false)
      await gone
      await dispose(engine)
    })

    test('auxiliary streams differ from each other and from the main one', async () => {
      const engine = await trt.engine(sumModel(), { profiles: [{ a: small, b: small }], maxAuxStreams: 1 })
      const context = await engine.createContext({ memory: 'own' })
      const auxiliary = stream()
      for (const name of ['a', 'b']) context.setInputShape(name, [2, 4])
      for (const name of ['a', 'b', 'sum', 'difference']) context.setAddress(name, bytes(32))
      context.setAuxStreams([auxiliary])
      context.enqueue(trt.stream)
      synchronize()
      expect(trt.control.violations()).toEqual([])
      context.setAuxStreams([auxiliary, auxiliary])
      expect(trt.control.violations()).toEqual(['auxiliary streams have to differ, and not to be the default one'])
      trt.control.reset()
      context.setAuxStreams([trt.stream])
      context.enqueue(trt.stream)
      expect(trt.control.violations()).toEqual(['a stream serves a run as the main and as an auxiliary one'])
      await dispose(engine, context)
    })

    test('weights are streamed within a budget, which contexts pay for', async () => {
      const engine = await trt.engine(model, { profiles, flags: ['WEIGHT_STREAMING'] })
      const without = engine.deviceMemoryBytes()
      const { streamableBytes } = engine.weightStreaming()
      expect(engine.weightStreaming()).toEqual({
        streamableBytes: allRows,
        budgetBytes: allRows,
        automaticBudgetBytes: allRows,
        scratchBytes: 0,
      })
      const context = await contextOf(engine)
      expect(() => engine.setWeightStreamingBudget(0)).toThrow(/contexts/)
      context.enqueue(trt.stream)
      capture(context, trt.stream)
      synchronize()
      await context.dispose()
      engine.setWeightStreamingBudget(streamableBytes - 1)
      const { scratchBytes } = engine.weightStreaming()
      expect([scratchBytes > 0, engine.deviceMemoryBytes()]).toEqual([true, without + scratchBytes])
      const streaming = await engine.createContext({ memory: 'user' })
      streaming.setInputShape('x', [SIZE, SIZE])
      for (const name of ['x', 'y']) streaming.setAddress(name, bytes(allRows))
      streaming.setDeviceMemory(bytes(without), without)
      expect(() => streaming.enqueue(trt.stream)).toThrow(/bytes of device memory are needed/)
      streaming.setDeviceMemory(bytes(without + scratchBytes), without + scratchBytes)
      streaming.enqueue(trt.stream)
      expect(() => capture(streaming, trt.stream)).toThrow(/streams weights cannot be captured/)
      await dispose(engine, streaming)
      const plain = await trt.engine(model, { profiles })
      expect(plain.weightStreaming().streamableBytes).toBe(0)
      expect(() => plain.setWeightStreamingBudget(0)).toThrow(/needs weight streaming/)
      await plain.dispose()
    })

    test('flags that exclude each other are refused', async () => {
      const refit = { profiles, flags: ['REFIT_INDIVIDUAL', 'REFIT'] }
      expect(await textOf(trt.build(model, refit))).toMatch(/kREFIT_INDIVIDUAL cannot be set with/)
      if (major === 11) return
      const weak = { profiles, flags: ['WEIGHT_STREAMING'], stronglyTyped: false }
      expect(await textOf(trt.build(model, weak))).toMatch(/kWEIGHT_STREAMING needs a strongly typed network/)
    })

    test('weights that were to stay the same do, and those that were not marked stay', async () => {
      const other = denseModel(new Tensor('float32', [SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(2)))
      const identical = await trt.engine(model, { profiles, flags: ['REFIT_IDENTICAL', 'STRIP_PLAN'] })
      await identical.refit({ bytes: model })
      expect(trt.control.violations()).toEqual([])
      await identical.refit({ bytes: other })
      expect(trt.control.violations()).toEqual([expect.stringContaining('other values came for the weights weights')])
      await identical.dispose()
      const none = await trt.engine(model, { profiles, flags: ['REFIT_INDIVIDUAL'] })
      expect(none.refittable).toBe(false)
      await none.dispose()
    })

    test('plans come in pieces, for the host and for the device', async () => {
      const { plan } = await trt.build(model, { profiles })
      const engine = await trt.load({ path: file(plan) })
      expect(trt.control.calls('StreamReaderV2.read of the host')).toBeGreaterThan(1)
      expect(trt.control.calls('StreamReaderV2.read of the device')).toBeGreaterThan(1)
      const y = new Float32Array(SIZE)
      await trt.run(engine, { x: { shape: [1, SIZE], data: new Float32Array(SIZE).fill(1) } }, { y })
      expect(y).toEqual(new Float32Array(SIZE).fill(SIZE))
      await engine.dispose()
      const before = trt.simulator.counts()
      expect(await textOf(trt.load({ path: file(plan.subarray(0, plan.byteLength - 1)) }))).toMatch(/truncated/)
      expect(trt.simulator.counts()).toEqual(before)
    })

    test('is refused what has to be known in advance: memory of outputs in a capture', async () => {
      const engine = await trt.engine(model, { profiles })
      const context = await contextOf(engine)
      context.allocateOutput('y')
      context.enqueue(trt.stream)
      expect(() => capture(context, trt.stream)).toThrow(/cannot be captured/)
      await dispose(engine, context)
    })

    test('objects are used by one thread at a time, but for what only asks an engine', async () => {
      const nonZero = smallModel({
        inputs: [{ name: 'x', dtype: 'float32', shape: [4] }],
        outputs: [{ name: 'y', dtype: 'int64', shape: [1, 'found'] }],
        nodes: [['NonZero', ['x'], ['y']]],
      })
      const engine = await trt.engine(nonZero)
      const context = await engine.createContext({ memory: 'own' })
      context.setAddress('x', bytes(16))
      context.allocateOutput('y')
      trt.simulator.hold(true)
      const run = context.enqueueInThread(trt.stream)
      const use = () => {
        trt.control.use('CudaEngine.getName')
        trt.control.use('ExecutionContext.getName')
        return trt.control.violations()
      }
      // It waits for how many there are.
      await expect.poll(use).toContain('ExecutionContext.getName was called while another thread used the object')
      expect(trt.control.violations().join()).not.toContain('CudaEngine')
      trt.simulator.hold(false)
      await run
      await dispose(engine, context)
    })
  },
)
