import { Tensor } from '@lowlat/core'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { denseModel, smallModel, sumModel, unknownOperatorModel } from '../contract/models.ts'
import { simulatorUnavailable } from '../cuda-sim/compiler.ts'
import { testsOnGpu } from '../cuda-sim/hardware.ts'
import { isSanitized } from '../cuda-sim/sanitized.ts'
import { buildFakePlugins } from './build.ts'
import { nvinferErrors } from './control.ts'
import { type BuildEvent, NvinferHarness, type Profiles } from './harness.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

const rows = (min: number, max: number): { min: number[]; opt: number[]; max: number[] } => ({
  min: [min, 4],
  opt: [min, 4],
  max: [max, 4],
})
const sumProfiles: Profiles = [{ a: rows(1, 8), b: rows(1, 8) }]
const weights = new Tensor('float32', [2, 2], Float32Array.of(1, 2, 3, -4))
const floats = (...values: number[]) => Float32Array.from(values)
const row = (value: number, count = 1) => ({ shape: [count, 4], data: new Float32Array(4 * count).fill(value) })

const nonZeroModel = smallModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: ['n'] }],
  outputs: [{ name: 'y', dtype: 'int64', shape: [1, 'found'] }],
  nodes: [
    ['Relu', ['x'], ['positive']],
    ['NonZero', ['positive'], ['y']],
  ],
})

describe.skipIf(reason).each(['10.0.0', '10.8.0', '10.16.0', '11.0.0', '11.1.0'])(
  `the stand-in for TensorRT %s${reason ? ` (${reason})` : ''}`,
  (version) => {
    const major = Number(version.split('.')[0]) as 10 | 11
    let trt: NvinferHarness
    beforeAll(async () => {
      trt = await NvinferHarness.build({ major, version })
    }, 600_000)
    beforeEach(() => trt.start())

    const failure = async (promise: Promise<unknown>): Promise<{ code: string; text: string }> => {
      const error = (await promise.then(
        () => expect.fail('should have been refused'),
        (thrown: unknown) => thrown,
      )) as { code: string; message: string; log?: { message: string }[]; errors?: unknown[] }
      const log = (error.log ?? []).map(({ message }) => message)
      return { code: error.code, text: [error.message, ...log, JSON.stringify(error.errors)].join('\n') }
    }

    test('says its version', () => {
      const { major: ofLibrary, minor, patch } = trt.library.version
      expect(`${ofLibrary}.${minor}.${patch}`).toBe(version)
    })

    test('builds, computes and leaves nothing', async () => {
      const engine = await trt.engine(sumModel(), { profiles: sumProfiles, maxAuxStreams: 1 })
      expect(engine).toMatchObject({ layers: 2, profiles: 1, auxStreams: 1 })
      const [sum, difference] = [new Float32Array(12), new Float32Array(12)]
      await trt.run(engine, { a: row(5, 3), b: row(7, 3) }, { sum, difference })
      expect([sum, difference]).toEqual([new Float32Array(12).fill(12), new Float32Array(12).fill(-2)])
      await engine.dispose()
      const left = ['Builder', 'NetworkDefinition', 'OnnxParser', 'Runtime', 'CudaEngine', 'ExecutionContext', 'Tensor']
      expect(left.map((name) => trt.control.alive(name))).toEqual(left.map(() => 0))
      expect(trt.control.violations()).toEqual([])
    })

    test('is captured after a first run, and not before it', async () => {
      const engine = await trt.engine(sumModel(), { profiles: sumProfiles, maxAuxStreams: 1 })
      const context = await engine.createContext({ memory: 'own' })
      const addresses = ['a', 'b', 'sum', 'difference'].map((name) => {
        const address = trt.upload(new Float32Array(4).fill(2))
        if (name.length === 1) context.setInputShape(name, [1, 4])
        context.setAddress(name, address)
        return address
      })
      const capture = (): number => {
        trt.cuda('cuStreamBeginCapture_v2', ['uint64', 'int'], trt.stream, 2)
        const graph = new BigUint64Array(1)
        try {
          context.enqueue(trt.stream)
        } finally {
          trt.cuda('cuStreamEndCapture', ['uint64', 'void *'], trt.stream, graph)
        }
        return trt.made('cuGraphInstantiateWithFlags', ['uint64', 'uint64'], Number(graph[0]), 0)
      }
      expect(capture).toThrow(/cannot be captured/)
      context.enqueue(trt.stream)
      trt.control.refuseCapture(true)
      expect(capture).toThrow(/refuses capture/)
      trt.control.refuseCapture(false)
      const exec = capture()
      trt.cuda('cuStreamSynchronize', ['uint64'], trt.stream)
      trt.cuda('cuMemcpyHtoD_v2', ['uint64', 'void *', 'size_t'], addresses[1]!, new Float32Array(4).fill(40), 16)
      trt.cuda('cuGraphLaunch', ['uint64', 'uint64'], exec, trt.stream)
      expect(trt.download(addresses[2]!, new Float32Array(4))).toEqual(new Float32Array(4).fill(42))
      await context.dispose()
      await engine.dispose()
    })

    test('wants a profile for dynamic inputs, and keeps to it', async () => {
      expect((await failure(trt.build(sumModel()))).text).toMatch(/a has dynamic shape/)
      const static5 = [{ a: { min: [1, 5], opt: [1, 5], max: [1, 5] }, b: rows(1, 1) }]
      expect((await failure(trt.build(sumModel(), { profiles: static5 }))).text).toMatch(
        /\[1,5\], declared is \[-1,4\]/,
      )
      const engine = await trt.engine(sumModel(), { profiles: [...sumProfiles, { a: rows(9, 32), b: rows(9, 32) }] })
      expect(engine.profiles).toBe(2)
      const context = await engine.createContext({ memory: 'own' })
      expect(context.inferShapes()).toEqual(['a', 'b'])
      expect(() => context.setInputShape('a', [9, 4])).toThrow(/setInputShape/)
      context.setProfile(1, trt.stream)
      context.setInputShape('a', [9, 4])
      expect(() => context.setInputShape('b', [9, 5])).toThrow(/static dimension/)
      expect(() => context.enqueue(trt.stream)).toThrow(/b is not specified/)
      context.setInputShape('b', [9, 4])
      expect(context.shapeOf('sum')).toEqual([9, 4])
      expect(context.maxOutputBytes('sum')).toBe(144)
      expect(() => context.enqueue(trt.stream)).toThrow(/address of input a is not set/)
      expect(() => context.setProfile(2, trt.stream)).toThrow(/no profile 2/)
      await context.dispose()
      await engine.dispose()
    })

    test('refuses plans that are not whole or made elsewhere', async () => {
      const { plan } = await trt.build(sumModel(), { profiles: sumProfiles })
      const bytes = Uint8Array.from(plan)
      for (let end = 0; end < bytes.length; end += 37)
        expect((await failure(trt.load(bytes.slice(0, end)))).code).toBe('REFUSED')
      for (let at = 0; at < bytes.length; at += 37) {
        const changed = Uint8Array.from(bytes)
        changed[at]! ^= 0x40
        await failure(trt.load(changed))
      }
      trt.control.setGpuName('another GPU')
      expect((await failure(trt.load(bytes))).text).toMatch(/incompatible device/)
      trt.control.setGpuName('')
      await (await trt.load(bytes)).dispose()
    })

    test('names what the parser cannot take', async () => {
      const unknown = await failure(trt.build(unknownOperatorModel()))
      expect(unknown.code).toBe('PARSE_FAILED')
      expect(unknown.text).toMatch(/UNSUPPORTED_NODE.*NoSuchOperator/)
      expect((await failure(trt.build(new Uint8Array(64).fill(7)))).text).toMatch(/MODEL_DESERIALIZE_FAILED/)
      if (version === '10.0.0') {
        // Since 10.1.
        expect(await failure(trt.library.supports({ bytes: sumModel() }))).toMatchObject({ code: 'CALL_UNAVAILABLE' })
        return
      }
      const report = await trt.library.supports({ bytes: unknownOperatorModel() })
      expect(report).toMatchObject({ supported: false, subgraphs: [{ nodes: [0], supported: false }] })
    })

    test('asks for the memory of an output whose size depends on values', async () => {
      const profiles = [{ x: { min: [1], opt: [4], max: [16] } }]
      const engine = await trt.engine(nonZeroModel, { profiles })
      const context = await engine.createContext({ memory: 'own' })
      context.setInputShape('x', [5])
      context.setAddress('x', trt.upload(floats(1, -1, 0, 2, 3)))
      context.allocateOutput('y')
      expect(context.shapeOf('y')).toEqual([1, -1])
      expect(context.maxOutputBytes('y')).toBe(40)
      await context.enqueueInThread(trt.stream)
      const { address, shape } = context.allocated('y')
      expect(shape).toEqual([1, 3])
      expect(trt.download(address, new BigInt64Array(3))).toEqual(BigInt64Array.of(0n, 3n, 4n))
      trt.cuda('cuStreamBeginCapture_v2', ['uint64', 'int'], trt.stream, 2)
      expect(() => context.enqueue(trt.stream)).toThrow(/cannot be captured/)
      trt.cuda('cuStreamEndCapture', ['uint64', 'void *'], trt.stream, new BigUint64Array(1))
      await context.dispose()
      await engine.dispose()
    })

    test('takes device memory from its caller', async () => {
      const model = denseModel(weights)
      const engine = await trt.engine(model, { profiles: [{ x: { min: [1, 2], opt: [2, 2], max: [4, 2] } }] })
      expect(engine.deviceMemoryBytes()).toBe(256)
      const context = await engine.createContext({ memory: 'user' })
      context.setInputShape('x', [1, 2])
      context.setAddress('x', trt.upload(floats(1, 1)))
      const y = trt.upload(floats(0, 0))
      context.setAddress('y', y)
      expect(() => context.enqueue(trt.stream)).toThrow(/device memory is not set/)
      context.setDeviceMemory(trt.upload(new Uint8Array(256)), context.memoryForShapes())
      context.enqueue(trt.stream)
      expect(trt.download(y, floats(0, 0))).toEqual(floats(4, 0))
      await context.dispose()
      await engine.dispose()
    })

    test('reports phases that nest, logs from threads, and stops when it is told to', async () => {
      const events: BuildEvent[] = []
      trt.control.setBuild({ steps: 3, stepMs: 2, noiseThreads: 2 })
      await trt.job(sumModel(), { profiles: sumProfiles }, events).done
      const starts = events.filter(({ kind }) => kind === 'phase-start')
      expect(starts.map(({ parent }) => parent)).toEqual([undefined, starts[0]!.phase])
      expect(events.filter(({ kind }) => kind === 'step')).toHaveLength(5)
      expect(events.filter(({ kind }) => kind === 'phase-end')).toHaveLength(2)
      expect(events.some(({ message }) => message?.startsWith('thread 1'))).toBe(true)
      trt.control.hold(true)
      const job = trt.job(sumModel(), { profiles: sumProfiles })
      job.cancel()
      trt.control.hold(false)
      expect((await failure(job.done)).code).toBe('CANCELLED')
    })

    test('times nothing again that is in the timing cache', async () => {
      const options = { profiles: sumProfiles, useTimingCache: true }
      const miss = { ...options, flags: ['ERROR_ON_TIMING_CACHE_MISS'] }
      expect((await failure(trt.build(sumModel(), miss))).text).toMatch(/2 layers are not in the timing cache/)
      const { timingCache } = await trt.build(sumModel(), options)
      await trt.build(sumModel(), { ...miss, timingCache })
      const changed = Uint8Array.from(timingCache!)
      changed[30]! ^= 1
      expect((await trt.build(sumModel(), { ...options, timingCache: changed })).timingCacheRefused).toBe(true)
    })

    test('fails where a test wants it, and for want of memory', async () => {
      const options = { profiles: sumProfiles }
      const { plan } = await trt.build(sumModel(), options)
      const bytes = Uint8Array.from(plan)
      for (const [name, code] of [
        ['createInferBuilder_INTERNAL', 0],
        ['Builder.createNetworkV2', nvinferErrors.internal],
        ['Builder.buildSerializedNetwork', nvinferErrors.outOfMemory],
        ['createNvOnnxParser_INTERNAL', 0],
      ] as const) {
        trt.control.failCall({ name, code })
        await failure(trt.build(sumModel(), options))
      }
      trt.control.failCall({ name: 'Runtime.deserializeCudaEngine', code: nvinferErrors.invalidState })
      expect((await failure(trt.load(bytes))).text).toMatch(/a test asked for it/)
      expect(trt.control.faultsFired).toBe(5)
      trt.control.failCall({ name: 'CudaEngine.createExecutionContext', nth: 2 })
      const engine = await trt.load(bytes)
      const context = await engine.createContext({ memory: 'own' })
      await failure(engine.createContext({ memory: 'own' }))
      await context.dispose()
      await engine.dispose()
      trt.simulator.setMemoryLimit(100)
      const dense = await failure(
        trt.engine(denseModel(weights), { profiles: [{ x: { min: [1, 2], opt: [1, 2], max: [1, 2] } }] }),
      )
      expect(dense).toMatchObject({ code: 'OUT_OF_MEMORY' })
    })

    test('is stripped of its weights and refitted', async () => {
      const model = denseModel(weights)
      const profiles = [{ x: { min: [1, 2], opt: [1, 2], max: [1, 2] } }]
      const engine = await trt.engine(model, { profiles, flags: ['STRIP_PLAN'] })
      const inputs = { x: { shape: [1, 2], data: floats(1, 1) } }
      expect((await failure(trt.run(engine, inputs, { y: floats(0, 0) }))).text).toMatch(/no weights/)
      expect(await engine.refit({ bytes: model })).toEqual({ missing: [] })
      const y = floats(0, 0)
      await trt.run(engine, inputs, { y })
      expect(y).toEqual(floats(4, 0))
      await engine.dispose()
      const whole = await trt.engine(model, { profiles, flags: ['REFIT'] })
      const other = denseModel(new Tensor('float32', [2, 2], Float32Array.of(2, 2, 2, 2)))
      await whole.refit({ bytes: other })
      await trt.run(whole, inputs, { y })
      expect(y).toEqual(floats(4, 4))
      await whole.dispose()
    })

    test('tells a profiler what layers took, and an inspector what they are', async () => {
      const engine = await trt.engine(sumModel(), { profiles: sumProfiles, profilingVerbosity: 'DETAILED' })
      const { Layers, Bindings } = JSON.parse(engine.inspect('json'))
      expect(Bindings).toEqual(['a', 'b', 'sum', 'difference'])
      expect(Layers[0]).toMatchObject({ LayerType: 'Elementwise', Outputs: [{ Name: 'sum', Dimensions: [-1, 4] }] })
      const context = await engine.createContext({ memory: 'own' })
      for (const name of ['a', 'b']) context.setInputShape(name, [1, 4])
      for (const name of ['a', 'b', 'sum', 'difference']) context.setAddress(name, trt.upload(new Float32Array(4)))
      context.profile(true)
      await context.enqueueInThread(trt.stream)
      expect(context.reportProfile().map(({ name }) => name)).toEqual(['Add_sum', 'Sub_difference'])
      await context.dispose()
      await engine.dispose()
    })

    test.skipIf(major !== 10)('takes precision flags for weakly typed networks only', async () => {
      const profiles = [{ x: { min: [1, 2], opt: [1, 2], max: [1, 2] } }]
      const options = { profiles, flags: ['FP16'] }
      expect((await failure(trt.build(denseModel(weights), options))).text).toMatch(/kFP16 is set.*strongly typed/)
      const precise = denseModel(new Tensor('float32', [2, 2], Float32Array.of(1 + 2 ** -12, 0, 0, 1)))
      const engine = await trt.engine(precise, { ...options, stronglyTyped: false })
      const y = floats(0, 0)
      await trt.run(engine, { x: { shape: [1, 2], data: floats(1, 1) } }, { y })
      expect(y).toEqual(floats(1, 1))
      await engine.dispose()
    })

    test.skipIf(major !== 11)('does not know the flags that 11 removed', async () => {
      expect((await failure(trt.build(sumModel(), { profiles: sumProfiles, flags: ['FP16'] }))).code).toBe(
        'FLAG_UNSUPPORTED',
      )
    })

    test('reads values that decide about shapes from the host', async () => {
      const model = smallModel({
        inputs: [
          { name: 'x', dtype: 'float32', shape: ['n'] },
          { name: 'sizes', dtype: 'int64', shape: [2] },
        ],
        outputs: [{ name: 'y', dtype: 'float32', shape: ['rows', 'columns'] }],
        nodes: [['Reshape', ['x', 'sizes'], ['y']]],
      })
      const profile = {
        x: { min: [1], opt: [4], max: [16] },
        sizes: { min: [1, 1], opt: [2, 2], max: [4, 4], values: true },
      }
      expect((await failure(trt.build(model, { profiles: [{ x: profile.x }] }))).text).toMatch(/sizes.*no shape values/)
      const engine = await trt.engine(model, { profiles: [profile] })
      expect(engine.tensors.filter((tensor) => tensor.isShapeTensor).map(({ name }) => name)).toEqual(['sizes'])
      const context = await engine.createContext({ memory: 'own' })
      context.setInputShape('x', [6])
      expect(context.inferShapes()).toEqual(['sizes'])
      const pinned = trt.made('cuMemHostAlloc', ['size_t', 'uint'], 16, 0)
      const setSizes = (...sizes: bigint[]) =>
        trt.cuda('cuMemcpyHtoD_v2', ['uint64', 'void *', 'size_t'], pinned, BigInt64Array.from(sizes), 16)
      setSizes(2n, 3n)
      context.setAddress('sizes', pinned)
      expect(context.shapeOf('y')).toEqual([2, 3])
      setSizes(3n, -1n)
      expect(context.shapeOf('y')).toEqual([3, 2])
      await context.dispose()
      await engine.dispose()
    })

    test('runs operators of plugin libraries', async () => {
      const model = smallModel({
        inputs: [{ name: 'x', dtype: 'float32', shape: [2] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: [2] }],
        nodes: [['TwiceAsPlugin', ['x'], ['y']]],
      })
      const path = await buildFakePlugins({ sanitize: isSanitized() })
      expect(() => trt.library.loadPluginLibrary(`${path}.missing`)).toThrow(/missing/)
      trt.library.loadPluginLibrary(path)
      await (await trt.engine(model, { pluginLibraries: [path] })).dispose()
      const { plan } = await trt.build(model, { pluginLibraries: [path], flags: ['VERSION_COMPATIBLE'] })
      expect((await failure(trt.load(plan))).text).toMatch(/not been allowed to load/)
      const engine = await trt.load(plan, { hostCodeAllowed: true })
      const y = floats(0, 0)
      await trt.run(engine, { x: { shape: [2], data: floats(3, 4) } }, { y })
      expect(y).toEqual(floats(6, 8))
      await engine.dispose()
    })

    test.each([
      ['0', 'slot 0 (Builder has no method there) is not implemented'],
      ['Builder.setGpuAllocator', '(Builder.setGpuAllocator) is not implemented'],
      ['destroyed', 'was called on an object that had been destroyed'],
    ])('a caller of slot %s ends the process', async (slot, message) => {
      const { signal, output } = await trt.trap(slot)
      expect(signal).toBe('SIGABRT')
      expect(output).toContain(message)
    })

    test('takes only symmetric INT8', async () => {
      const quantized = (zero: Tensor) =>
        smallModel({
          inputs: [{ name: 'x', dtype: 'float32', shape: [3] }],
          outputs: [{ name: 'y', dtype: 'float32', shape: [3] }],
          nodes: [
            ['QuantizeLinear', ['x', 'scale', 'zero'], ['q']],
            ['DequantizeLinear', ['q', 'scale', 'zero'], ['y']],
          ],
          initializers: { scale: new Tensor('float32', [], floats(0.5)), zero },
        })
      const engine = await trt.engine(quantized(new Tensor('int8', [], Int8Array.of(0))))
      const y = floats(0, 0, 0)
      await trt.run(engine, { x: { shape: [3], data: floats(0.75, -1.3, 1000) } }, { y })
      expect(y).toEqual(floats(1, -1.5, 63.5))
      await engine.dispose()
      expect((await failure(trt.build(quantized(new Tensor('int8', [], Int8Array.of(1)))))).text).toMatch(/symmetric/)
      expect((await failure(trt.build(quantized(new Tensor('uint8', [], Uint8Array.of(0)))))).text).toMatch(/only INT8/)
    })
  },
)
