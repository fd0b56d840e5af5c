import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Tensor } from '@lowlat/core'
import { decodeModel, graphFromModel, saveGraph } from '@lowlat/onnx'
import { buildFakePlugins, denseModel, isSanitized, smallModel, sumModel } from '@lowlat/testing'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BuildEvent, BuildRequest, NativeContext, ParserError } from './native.ts'
import { addonUntestable, errorOf, NativeBench } from './testing/native-bench.ts'
import { buildOtherMajor } from './testing/other-major.ts'

const range = { min: [1, 4], opt: [2, 4], max: [4, 4] }
const profiles = [{ a: range, b: range }]
const suites = [
  { major: 10, version: undefined },
  { major: 11, version: undefined },
  { major: 10, version: '10.0.0' },
] as const

describe.skipIf(addonUntestable).each(suites)('the addon over TensorRT $major $version', ({ major, version }) => {
  let bench: NativeBench
  const folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-native-'))

  beforeAll(async () => {
    bench = await NativeBench.create({ major, ...(version && { version }) })
    return () => rmSync(folder, { recursive: true })
  }, 900_000)

  afterEach(() => {
    expect(bench.control.violations()).toEqual([])
    bench.control.reset()
  })

  const build = (
    model: Uint8Array,
    options: Partial<BuildRequest> = {},
    onEvent: (event: BuildEvent) => void = () => {},
  ) => bench.library.build(bench.request(model, options), onEvent)
  // Plans are freed when JavaScript collects them.
  const alive = () => bench.control.alive() - bench.control.alive('HostMemory')
  const nothingLeft = () => expect.poll(alive).toBe(0)

  /** Runs a + b and a - b over [batch, 4]. */
  async function runSum(context: NativeContext, batch: number, inThread: boolean) {
    const stream = bench.cuda.createStream()
    const names = ['a', 'b', 'sum', 'difference']
    const memory = names.map(() => bench.cuda.allocate(4 * 4 * 4))
    for (const name of ['a', 'b']) context.setInputShape(name, [batch, 4])
    for (const [index, name] of names.entries()) context.setAddress(name, memory[index]!.address)
    expect(context.inferShapes()).toEqual([])
    expect(context.shapeOf('sum')).toEqual([batch, 4])
    const values = Float32Array.from({ length: batch * 4 }, (_, index) => index)
    for (const input of memory.slice(0, 2)) input.write(new Uint8Array(values.buffer))
    if (inThread) await context.enqueueInThread(stream.handle)
    else context.enqueue(stream.handle)
    stream.synchronize()
    const sum = new Float32Array(memory[2]!.read(0, batch * 16).slice().buffer)
    expect(sum).toEqual(values.map((value) => 2 * value))
    for (const part of memory) part.dispose()
    stream.dispose()
  }

  it('tells version and path', () => {
    expect(bench.library.version.major).toBe(major)
    expect(bench.library.path).toBe(bench.paths.nvinferPath)
    expect(bench.library.initPlugins()).toBe(true)
  })

  it('builds, loads and runs, in both threads, with phases, steps and log as events', async () => {
    const events: BuildEvent[] = []
    const result = await build(sumModel(), { profiles, logSeverity: 'verbose' }, (event) => events.push(event)).done
    expect(result.tensors).toMatchObject([
      { name: 'a', mode: 'input', dtype: 'FLOAT', shape: [-1, 4], location: 'device', isShapeTensor: false },
      { name: 'b' },
      { name: 'sum', mode: 'output' },
      { name: 'difference' },
    ])
    const kinds = new Set(events.map(({ kind }) => kind))
    expect(kinds).toEqual(new Set(['log', 'phase-start', 'step', 'phase-end']))
    const engine = await bench.load(result.plan)
    expect(engine).toMatchObject({ profiles: 1, refittable: false, hardwareCompatibility: 'NONE' })
    expect(engine.tensors[0]).toMatchObject({ name: 'a', mode: 'input', shape: [-1, 4], format: 'LINEAR' })
    expect(engine.profileShape('a', 0)).toEqual(range)
    expect(engine.deviceMemoryBytes()).toBeGreaterThanOrEqual(engine.deviceMemoryBytes(0))
    const context = await engine.createContext({ memory: 'own' })
    await runSum(context, 2, false)
    await runSum(context, 4, true)
    expect(JSON.parse(engine.inspect('json'))).toHaveProperty('Layers')
    expect(engine.inspectLayer(0, 'oneline')).not.toBe('')
    expect(context.inspect('json')).not.toBe('')
    await context.dispose()
    await engine.dispose()
    await nothingLeft()
  })

  it('frees contexts before their engine, in whatever order they are disposed without waiting', async () => {
    const engine = await bench.engine(sumModel(), { profiles })
    const contexts = await Promise.all([1, 2].map(() => engine.createContext({ memory: 'own' })))
    expect(await errorOf(() => engine.dispose())).toMatchObject({ code: 'IN_USE', contexts: 2 })
    expect(await errorOf(() => bench.library.close())).toMatchObject({ code: 'IN_USE', users: 1 })
    for (const context of contexts) context.dispose()
    const gone = engine.dispose()
    expect(engine.dispose()).toBe(gone)
    await gone
    expect(alive()).toBe(0)
    expect(await errorOf(() => contexts[0]!.enqueue(0))).toMatchObject({ code: 'DISPOSED' })
    expect(await errorOf(() => engine.inspect('json'))).toMatchObject({ code: 'DISPOSED' })
  })

  it("refuses calls to a context that its engine's thread works with", async () => {
    const engine = await bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'own' })
    const stream = bench.cuda.createStream()
    const pending = context.setProfileInThread(0, stream.handle)
    expect(await errorOf(() => context.setInputShape('a', [1, 4]))).toMatchObject({
      code: 'BUSY',
      call: 'setInputShape',
    })
    await pending
    context.setInputShape('a', [1, 4])
    await context.dispose()
    await engine.dispose()
    stream.dispose()
  })

  it('refuses calls to a context that is disposed while their arguments are read', async () => {
    const engine = await bench.engine(sumModel(), { profiles })
    const calls: ((context: NativeContext, list: number[]) => void)[] = [
      (context, list) => context.setInputShape('a', list),
      (context, list) => context.setAuxStreams(list),
    ]
    for (const call of calls) {
      const context = await engine.createContext({ memory: 'own' })
      const get = () => {
        context.dispose()
        return 4
      }
      const list = Object.defineProperty([2, 4], 1, { get })
      expect(await errorOf(() => call(context, list))).toMatchObject({ code: 'DISPOSED' })
    }
    await engine.dispose()
  })

  it('keeps the weight streaming budget while a context is being made', async () => {
    const engine = await bench.engine(sumModel(), { profiles })
    const context = engine.createContext({ memory: 'own' })
    const error = await errorOf(() => engine.setWeightStreamingBudget(0))
    expect(error).toMatchObject({ code: 'IN_USE', contexts: 1 })
    await (await context).dispose()
    await engine.dispose()
  })

  it('says what TensorRT refuses: its errors and its log', async () => {
    const engine = await bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'own' })
    const error = await errorOf(() => context.setInputShape('a', [9, 4]))
    expect(error).toMatchObject({ code: 'REFUSED', call: 'setInputShape', errors: [expect.any(String)] })
    expect(error.log).toMatchObject([{ severity: 'error', message: expect.any(String) }])
    expect(await errorOf(() => context.enqueueInThread(0))).toMatchObject({ code: 'REFUSED', call: 'enqueueV3' })
    bench.control.failCall({ name: 'CudaEngine.createExecutionContext', code: 5 })
    expect(await errorOf(() => engine.createContext({ memory: 'own' }))).toMatchObject({
      code: 'OUT_OF_MEMORY',
      errors: [expect.stringContaining('FAILED_ALLOCATION')],
    })
    await context.dispose()
    await engine.dispose()
  })

  it('blames no earlier failure for a later one', async () => {
    const engine = await bench.engine(sumModel(), { profiles })
    bench.control.failCall({ name: 'CudaEngine.createExecutionContext', code: 5 })
    expect(await errorOf(() => engine.createContext({ memory: 'own' }))).toMatchObject({ code: 'OUT_OF_MEMORY' })
    const calls: (() => unknown)[] = [() => engine.profileShape('none', 0), () => engine.refit({ bytes: sumModel() })]
    if (version !== '10.0.0') calls.push(() => engine.setWeightStreamingBudget(0))
    for (const call of calls) {
      const error = await errorOf(call)
      expect(error).toMatchObject({ code: 'REFUSED', log: expect.any(Array) })
      expect(JSON.stringify(error.log)).not.toContain('createExecutionContext')
    }
    await engine.dispose()
  })

  it('gives all errors of the parser', async () => {
    const info = (name: string) => ({ name, dtype: 'float32', shape: [4] }) as const
    const model = smallModel({ inputs: [info('x')], outputs: [info('y')], nodes: [['NoSuchOperator', ['x'], ['y']]] })
    const error = await errorOf(() => build(model).done)
    expect(error).toMatchObject({ code: 'PARSE_FAILED', log: expect.any(Array) })
    expect((error.errors as ParserError[])[0]).toMatchObject({ nodeOperator: 'NoSuchOperator', node: 0 })
    await nothingLeft()
  })

  it('cancels a build between two steps', async () => {
    bench.control.hold(true)
    const events: BuildEvent[] = []
    const job = build(sumModel(), { profiles }, (event) => events.push(event))
    await expect.poll(() => events.some(({ kind }) => kind === 'phase-start')).toBe(true)
    job.cancel()
    bench.control.hold(false)
    expect(await errorOf(() => job.done)).toMatchObject({ code: 'CANCELLED' })
    await nothingLeft()
  })

  it('fails a build with what TensorRT said', async () => {
    bench.control.failCall({ name: 'Builder.buildSerializedNetwork', code: 1 })
    expect(await errorOf(() => build(sumModel(), { profiles }).done)).toMatchObject({ code: 'BUILD_FAILED' })
    bench.control.failCall({ name: 'Builder.buildSerializedNetwork', code: 5 })
    expect(await errorOf(() => build(sumModel(), { profiles }).done)).toMatchObject({ code: 'OUT_OF_MEMORY' })
    for (const name of ['createInferBuilder_INTERNAL', 'createNvOnnxParser_INTERNAL', 'Builder.createNetworkV2']) {
      bench.control.failCall({ name })
      const { code, log } = await errorOf(() => build(sumModel(), { profiles }).done)
      expect(['REFUSED', 'BUILD_FAILED']).toContain(code)
      expect(log).toBeInstanceOf(Array)
    }
    await nothingLeft()
  })

  it('refuses profiles and names that this version does not know', async () => {
    const inverted = { min: [4, 4], opt: [2, 4], max: [1, 4] }
    const error = await errorOf(() => build(sumModel(), { profiles: [{ a: inverted, b: range }] }).done)
    expect(error).toMatchObject({ code: 'PROFILE_INVALID', profile: 0 })
    const flag = await errorOf(() => build(sumModel(), { profiles, flags: ['NO_SUCH_FLAG'] }).done)
    expect(flag).toMatchObject({ code: 'FLAG_UNSUPPORTED', flag: 'NO_SUCH_FLAG', kind: 'BuilderFlag' })
    if (major === 11) {
      const weak = await errorOf(() => build(sumModel(), { profiles, stronglyTyped: false }).done)
      expect(weak).toMatchObject({ code: 'FLAG_UNSUPPORTED' })
    }
    await nothingLeft()
  })

  it('refuses settings that TensorRT refuses without a result', async () => {
    const memoryPools = { WORKSPACE: 2 ** 20 }
    for (const [call, options] of [
      ['setMemoryPoolLimit', { memoryPools }],
      ['setBuilderOptimizationLevel', { optimizationLevel: 2 }],
      ['setFlags', {}],
    ] as const) {
      bench.control.failCall({ name: `BuilderConfig.${call}`, code: 3 })
      const error = await errorOf(() => build(sumModel(), { profiles, ...options }).done)
      expect(error).toMatchObject({ code: 'REFUSED', call, log: [expect.anything()] })
    }
    await nothingLeft()
  })

  it('uses a timing cache again, and says where it could not', async () => {
    const first = await build(sumModel(), { profiles, useTimingCache: true }).done
    expect(first.timingCache?.byteLength).toBeGreaterThan(0)
    const timingCache = first.timingCache!
    const again = await build(sumModel(), { profiles, useTimingCache: true, timingCache }).done
    expect(again.timingCacheRefused).toBe(false)
    const garbage = await build(sumModel(), { profiles, useTimingCache: true, timingCache: new Uint8Array(64) }).done
    expect(garbage.timingCacheRefused).toBe(true)
    expect(garbage.plan.byteLength).toBeGreaterThan(0)
    await nothingLeft()
  })

  it('loads plans from files, and refuses those that are cut', async () => {
    const plan = await bench.plan(sumModel(), { profiles })
    const path = join(folder, 'sum.plan')
    writeFileSync(path, plan)
    await (await bench.load({ path })).dispose()
    for (let size = 0; size < plan.byteLength; size += 97) {
      expect(await errorOf(() => bench.load(plan.slice(0, size)))).toMatchObject({ code: 'REFUSED' })
    }
    const missing = join(folder, 'missing.plan')
    for (const unreadable of [missing, folder]) {
      const error = { code: 'FILE_UNREADABLE', path: unreadable }
      expect(await errorOf(() => bench.load({ path: unreadable }))).toMatchObject(error)
      const request = { ...bench.request(sumModel()), model: { path: unreadable } }
      expect(await errorOf(() => bench.library.build(request, () => {}).done)).toMatchObject(error)
    }
    await nothingLeft()
  })

  it('builds a model whose weights lie beside it, by its path', async () => {
    const weights = new Tensor('float32', [64, 64], new Float32Array(64 * 64).fill(0.5))
    const model = denseModel(weights)
    const path = join(folder, 'outside.onnx')
    const externalData = { fileName: 'outside.weights' }
    await saveGraph(graphFromModel(decodeModel(model)), path, { externalData })
    const dense = [{ x: { min: [1, 64], opt: [1, 64], max: [4, 64] } }]
    const ofPath = await bench.library.build(
      { ...bench.request(model, { profiles: dense }), model: { path } },
      () => {},
    ).done
    expect(ofPath.plan).toEqual(await bench.plan(model, { profiles: dense }))
    const bytes = readFileSync(path)
    expect(bytes.byteLength).toBeLessThan(weights.bytes.byteLength)
    expect(await errorOf(() => bench.plan(bytes, { profiles: dense }))).toMatchObject({ code: 'PARSE_FAILED' })
    await nothingLeft()
  })

  it('serialises and refits an engine', async () => {
    const engine = await bench.engine(sumModel(), { profiles, flags: ['REFIT'] })
    expect(engine.refittable).toBe(true)
    expect((await engine.serialize()).byteLength).toBeGreaterThan(0)
    expect(await engine.refit({ bytes: sumModel() })).toEqual({ missing: [] })
    await engine.dispose()
  })

  it('profiles layers of the runs that are profiled', async () => {
    const engine = await bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'own' })
    await runSum(context, 1, false)
    expect(context.reportProfile()).toEqual([])
    context.profile(true)
    const stream = bench.cuda.createStream()
    const memory = ['a', 'b', 'sum', 'difference'].map((name) => {
      const part = bench.cuda.allocate(64)
      context.setAddress(name, part.address)
      return part
    })
    context.enqueue(stream.handle)
    stream.synchronize()
    const times = context.reportProfile()
    expect(times.length).toBe(engine.layers)
    expect(times[0]).toEqual({ name: expect.any(String), ms: expect.any(Number) })
    context.profile(false)
    await context.dispose()
    await engine.dispose()
    for (const part of [...memory, stream]) part.dispose()
  })

  it('allocates outputs whose size depends on data', async () => {
    const info = (name: string, dtype: 'float32' | 'int64', shape: (string | number)[]) => ({ name, dtype, shape })
    const model = smallModel({
      inputs: [info('x', 'float32', [8])],
      outputs: [info('y', 'int64', [1, 'found'])],
      nodes: [['NonZero', ['x'], ['y']]],
    })
    const engine = await bench.engine(model)
    const context = await engine.createContext({ memory: 'own' })
    const stream = bench.cuda.createStream()
    const input = bench.cuda.allocate(32)
    input.write(new Uint8Array(Float32Array.of(0, 1, 0, 0, 2, 3, 0, 0).buffer))
    context.setAddress('x', input.address)
    context.allocateOutput('y')
    expect(await errorOf(() => context.allocated('y'))).toMatchObject({ code: 'REFUSED' })
    context.enqueue(stream.handle)
    stream.synchronize()
    const { address, sizeBytes, shape } = context.allocated('y')
    expect(shape).toEqual([1, 3])
    expect(sizeBytes).toBeGreaterThanOrEqual(24)
    const copy = bench.cuda.allocate(24)
    stream.copyOnDevice(copy.address, address, 24)
    stream.synchronize()
    expect([...new BigInt64Array(copy.read().slice().buffer)]).toEqual([1n, 4n, 5n])
    expect(await errorOf(() => context.allocated('x'))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    const before = bench.cuda.memoryInfo().freeBytes
    await context.dispose()
    expect(bench.cuda.memoryInfo().freeBytes).toBeGreaterThan(before)
    await engine.dispose()
    for (const part of [input, copy, stream]) part.dispose()
  })

  it('captures no run whose outputs it allocates: the next one may free them', async () => {
    const engine = await bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'own' })
    const stream = bench.cuda.createStream()
    const memory = bench.cuda.allocate(1024)
    for (const name of ['a', 'b']) context.setInputShape(name, [2, 4])
    for (const [index, name] of ['a', 'b', 'difference'].entries())
      context.setAddress(name, memory.address + 256 * index)
    context.allocateOutput('sum')
    context.enqueue(stream.handle)
    stream.synchronize()
    expect(context.allocated('sum').shape).toEqual([2, 4])
    const error = await errorOf(() => stream.capture(() => context.enqueue(stream.handle)))
    expect(error).toMatchObject({ code: 'REFUSED', call: 'enqueueV3' })
    await context.dispose()
    await engine.dispose()
    for (const part of [memory, stream]) part.dispose()
  })

  it('works in memory that it is given, and takes the settings of a context', async () => {
    const engine = await bench.engine(sumModel(), { profiles })
    const context = await engine.createContext({ memory: 'user' })
    for (const name of ['a', 'b']) context.setInputShape(name, [2, 4])
    expect(context.stridesOf('a')).toEqual([4, 1])
    expect(context.maxOutputBytes('sum')).toBeGreaterThanOrEqual(32)
    const memory = bench.cuda.allocate(Math.max(context.memoryForShapes(), engine.deviceMemoryBytes(), 256))
    context.setDeviceMemory(memory.address, memory.sizeBytes)
    context.setAuxStreams([])
    expect(await errorOf(() => context.setAuxStreams([0]))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    context.setPersistentCacheLimit(0)
    const event = bench.cuda.createEvent(false)
    context.setInputConsumedEvent(event.handle)
    context.setNvtxVerbosity('NONE')
    await runSum(context, 2, false)
    context.setInputConsumedEvent(0)
    if (version === '10.0.0') {
      const error = await errorOf(() => engine.weightStreaming())
      expect(error).toMatchObject({ code: 'CALL_UNAVAILABLE', version: '10.0.0', since: '10.1.0' })
    } else {
      expect(engine.weightStreaming()).toMatchObject({ streamableBytes: expect.any(Number) })
      expect(engine.profileValues('a', 0)).toEqual({ min: [], opt: [], max: [] })
    }
    await context.dispose()
    await engine.dispose()
    for (const part of [memory, event]) part.dispose()
  })

  it('tells which nodes the parser takes', async () => {
    if (version === '10.0.0') {
      const error = await errorOf(() => bench.library.supports({ bytes: sumModel() }))
      return expect(error).toMatchObject({ code: 'CALL_UNAVAILABLE' })
    }
    const report = await bench.library.supports({ bytes: sumModel() })
    expect(report).toMatchObject({ supported: true, subgraphs: [{ supported: true, nodes: [0, 1] }], errors: [] })
    expect(bench.library.parserVersion).toEqual(expect.any(Number))
    await nothingLeft()
  })

  it('passes over a parser and plugins of the other major', async () => {
    const { onnxParserPath, pluginPath } = bench.paths
    const links = mkdtempSync(join(folder, 'majors-'))
    const named = (path: string, name: string) => {
      symlinkSync(path, join(links, name))
      return join(links, name)
    }
    const other = major === 10 ? 11 : 10
    const parsers = [`libnvonnxparser.so.${other}`, `libnvonnxparser.so.${major}.9`].map((n) =>
      named(onnxParserPath, n),
    )
    const plugins = [`libnvinfer_plugin.so.${other}.1`].map((n) => named(pluginPath, n))
    const open = (onnxParser: string[]) =>
      bench.addon.open({
        nvinfer: [bench.paths.nvinferPath],
        onnxParser,
        plugin: plugins,
        cudaDriver: bench.driverPath,
      })
    const event = () => {}
    await open(parsers).build(bench.request(sumModel(), { profiles }), event).done
    const mistaken = open(parsers.slice(0, 1))
    expect(await errorOf(() => mistaken.build(bench.request(sumModel(), { profiles }), event).done)).toMatchObject({
      code: 'LIBRARY_MISSING',
      reason: expect.stringContaining(`belongs to TensorRT ${other}, not ${major}`),
    })
    expect(await errorOf(() => mistaken.initPlugins())).toMatchObject({
      code: 'LIBRARY_MISSING',
      library: 'libnvinfer_plugin',
    })
    await nothingLeft()
  })

  it('says which plugin library does not load', async () => {
    const library = join(folder, 'missing.so')
    expect(await errorOf(() => bench.library.loadPluginLibrary(library))).toMatchObject({
      code: 'PLUGIN_FAILED',
      library,
      errors: [expect.stringContaining('missing.so')],
    })
  })

  it('loads a plugin library once, whoever asks for it', async () => {
    const path = await buildFakePlugins({ sanitize: isSanitized() })
    for (const library of [bench.library, bench.open(), bench.library]) library.loadPluginLibrary(path)
    expect(bench.control.calls('PluginRegistry.loadLibrary')).toBe(1)
  })

  it('frees what JavaScript lost', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    await (async () => {
      const engine = await bench.engine(sumModel(), { profiles })
      await engine.createContext({ memory: 'own' })
    })()
    const left = () => {
      collect()
      return alive()
    }
    await expect.poll(left, { timeout: 10_000 }).toBe(0)
  })

  it('checks arguments', async () => {
    const { library } = bench
    const wrong = (fields: object) =>
      errorOf(() => library.build({ ...bench.request(sumModel()), ...fields }, () => {}))
    expect(await wrong({ model: 5 })).toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'model' })
    expect(await wrong({ cudaContext: -1 })).toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'cudaContext' })
    expect(await wrong({ profiles: [{ a: { min: [1], opt: [1], max: [1, 2] } }] })).toMatchObject({
      argument: 'profiles[0].a',
    })
    expect(await wrong({ profiles: [{ 'a\0': range, b: range }] })).toMatchObject({ argument: 'profiles[0]' })
    expect(await wrong({ memoryPools: { 'WORKSPACE\0': 1 } })).toMatchObject({ argument: 'memoryPools' })
    expect(await wrong({ memoryPools: { WORKSPACE: 0.5 } })).toMatchObject({ argument: 'memoryPools.WORKSPACE' })
    expect(await errorOf(() => library.build(bench.request(sumModel()), undefined as never))).toMatchObject({
      argument: 'onEvent',
    })
    const engine = await bench.engine(sumModel(), { profiles })
    expect(await errorOf(() => engine.inspect('xml' as never))).toMatchObject({ argument: 'format' })
    expect(await errorOf(() => engine.createContext({ memory: 'all' as never }))).toMatchObject({ argument: 'memory' })
    expect(() => new (engine.constructor as new () => unknown)()).toThrow('Illegal constructor')
    await engine.dispose()
  })

  it('says which library or version it cannot use', async () => {
    const missing = ['/nowhere/libnvinfer.so.10', '/nowhere/libnvinfer.so']
    const error = await errorOf(() => bench.open(missing))
    expect(error).toMatchObject({ code: 'LIBRARY_MISSING', library: 'libnvinfer', tried: missing })
    expect(await errorOf(() => bench.open([bench.driverPath]))).toMatchObject({
      code: 'SYMBOL_MISSING',
      symbol: 'getInferLibVersion',
    })
    for (const unknown of ['9.3.0', '12.0.0']) {
      const path = await buildOtherMajor(unknown)
      expect(await errorOf(() => bench.open([path]))).toMatchObject({ code: 'VERSION_UNSUPPORTED', version: unknown })
    }
  })
})
