import { mkdtempSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Tensor } from '@lowlat/core'
import { decodeModel, graphFromModel, saveGraph } from '@lowlat/onnx'
import { buildFakePlugins, denseModel, isSanitized, smallModel, sumModel } from '@lowlat/testing'
import { expect, it } from 'vitest'
import type { BuildEvent, ParserError } from './native.ts'
import { errorOf } from './testing/native-bench.ts'
import { describeAddon, profiles, range } from './testing/native-suite.ts'
import { buildOtherMajor } from './testing/other-major.ts'

describeAddon('the addon', (suite) => {
  const { folder, major, version } = suite

  it('tells version and path', () => {
    expect(suite.bench.library.version.major).toBe(major)
    expect(suite.bench.library.path).toBe(suite.bench.paths.nvinferPath)
    expect(suite.bench.library.initPlugins()).toBe(true)
  })

  it('gives all errors of the parser', async () => {
    const info = (name: string) => ({ name, dtype: 'float32', shape: [4] }) as const
    const model = smallModel({ inputs: [info('x')], outputs: [info('y')], nodes: [['NoSuchOperator', ['x'], ['y']]] })
    const error = await errorOf(() => suite.build(model).done)
    expect(error).toMatchObject({ code: 'PARSE_FAILED', log: expect.any(Array) })
    expect((error.errors as ParserError[])[0]).toMatchObject({ nodeOperator: 'NoSuchOperator', node: 0 })
    await suite.nothingLeft()
  })

  it('cancels a build between two steps', async () => {
    suite.bench.control.hold(true)
    const events: BuildEvent[] = []
    const job = suite.build(sumModel(), { profiles }, (event) => events.push(event))
    await expect.poll(() => events.some(({ kind }) => kind === 'phase-start')).toBe(true)
    job.cancel()
    suite.bench.control.hold(false)
    expect(await errorOf(() => job.done)).toMatchObject({ code: 'CANCELLED' })
    await suite.nothingLeft()
  })

  it('fails a build with what TensorRT said', async () => {
    suite.bench.control.failCall({ name: 'Builder.buildSerializedNetwork', code: 1 })
    expect(await errorOf(() => suite.build(sumModel(), { profiles }).done)).toMatchObject({ code: 'BUILD_FAILED' })
    suite.bench.control.failCall({ name: 'Builder.buildSerializedNetwork', code: 5 })
    expect(await errorOf(() => suite.build(sumModel(), { profiles }).done)).toMatchObject({ code: 'OUT_OF_MEMORY' })
    for (const name of ['createInferBuilder_INTERNAL', 'createNvOnnxParser_INTERNAL', 'Builder.createNetworkV2']) {
      suite.bench.control.failCall({ name })
      const { code, log } = await errorOf(() => suite.build(sumModel(), { profiles }).done)
      expect(['REFUSED', 'BUILD_FAILED']).toContain(code)
      expect(log).toBeInstanceOf(Array)
    }
    await suite.nothingLeft()
  })

  it('refuses profiles and names that this version does not know', async () => {
    const inverted = { min: [4, 4], opt: [2, 4], max: [1, 4] }
    const error = await errorOf(() => suite.build(sumModel(), { profiles: [{ a: inverted, b: range }] }).done)
    expect(error).toMatchObject({ code: 'PROFILE_INVALID', profile: 0 })
    const flag = await errorOf(() => suite.build(sumModel(), { profiles, flags: ['NO_SUCH_FLAG'] }).done)
    expect(flag).toMatchObject({ code: 'FLAG_UNSUPPORTED', flag: 'NO_SUCH_FLAG', kind: 'BuilderFlag' })
    if (major === 11) {
      const weak = await errorOf(() => suite.build(sumModel(), { profiles, stronglyTyped: false }).done)
      expect(weak).toMatchObject({ code: 'FLAG_UNSUPPORTED' })
    }
    await suite.nothingLeft()
  })

  it('refuses settings that TensorRT refuses without a result', async () => {
    const memoryPools = { WORKSPACE: 2 ** 20 }
    for (const [call, options] of [
      ['setMemoryPoolLimit', { memoryPools }],
      ['setBuilderOptimizationLevel', { optimizationLevel: 2 }],
      ['setFlags', {}],
    ] as const) {
      suite.bench.control.failCall({ name: `BuilderConfig.${call}`, code: 3 })
      const error = await errorOf(() => suite.build(sumModel(), { profiles, ...options }).done)
      expect(error).toMatchObject({ code: 'REFUSED', call, log: [expect.anything()] })
    }
    await suite.nothingLeft()
  })

  it('uses a timing cache again, and says where it could not', async () => {
    const first = await suite.build(sumModel(), { profiles, useTimingCache: true }).done
    expect(first.timingCache?.byteLength).toBeGreaterThan(0)
    const timingCache = first.timingCache!
    const again = await suite.build(sumModel(), { profiles, useTimingCache: true, timingCache }).done
    expect(again.timingCacheRefused).toBe(false)
    const garbage = await suite.build(sumModel(), { profiles, useTimingCache: true, timingCache: new Uint8Array(64) })
      .done
    expect(garbage.timingCacheRefused).toBe(true)
    expect(garbage.plan.byteLength).toBeGreaterThan(0)
    await suite.nothingLeft()
  })

  it('builds a model whose weights lie beside it, by its path', async () => {
    const weights = new Tensor('float32', [64, 64], new Float32Array(64 * 64).fill(0.5))
    const model = denseModel(weights)
    const path = join(folder, 'outside.onnx')
    const externalData = { fileName: 'outside.weights' }
    await saveGraph(graphFromModel(decodeModel(model)), path, { externalData })
    const dense = [{ x: { min: [1, 64], opt: [1, 64], max: [4, 64] } }]
    const ofPath = await suite.bench.library.build(
      { ...suite.bench.request(model, { profiles: dense }), model: { path } },
      () => {},
    ).done
    expect(ofPath.plan).toEqual(await suite.bench.plan(model, { profiles: dense }))
    const bytes = readFileSync(path)
    expect(bytes.byteLength).toBeLessThan(weights.bytes.byteLength)
    expect(await errorOf(() => suite.bench.plan(bytes, { profiles: dense }))).toMatchObject({ code: 'PARSE_FAILED' })
    await suite.nothingLeft()
  })

  it('tells which nodes the parser takes', async () => {
    if (version === '10.0.0') {
      const error = await errorOf(() => suite.bench.library.supports({ bytes: sumModel() }))
      return expect(error).toMatchObject({ code: 'CALL_UNAVAILABLE' })
    }
    const report = await suite.bench.library.supports({ bytes: sumModel() })
    expect(report).toMatchObject({ supported: true, subgraphs: [{ supported: true, nodes: [0, 1] }], errors: [] })
    expect(suite.bench.library.parserVersion).toEqual(expect.any(Number))
    await suite.nothingLeft()
  })

  it('passes over a parser and plugins of the other major', async () => {
    const { onnxParserPath, pluginPath } = suite.bench.paths
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
      suite.bench.addon.open({
        nvinfer: [suite.bench.paths.nvinferPath],
        onnxParser,
        plugin: plugins,
        cudaDriver: suite.bench.driverPath,
      })
    const event = () => {}
    await open(parsers).build(suite.bench.request(sumModel(), { profiles }), event).done
    const mistaken = open(parsers.slice(0, 1))
    expect(
      await errorOf(() => mistaken.build(suite.bench.request(sumModel(), { profiles }), event).done),
    ).toMatchObject({
      code: 'LIBRARY_MISSING',
      reason: expect.stringContaining(`belongs to TensorRT ${other}, not ${major}`),
    })
    expect(await errorOf(() => mistaken.initPlugins())).toMatchObject({
      code: 'LIBRARY_MISSING',
      library: 'libnvinfer_plugin',
    })
    await suite.nothingLeft()
  })

  it('says which plugin library does not load', async () => {
    const library = join(folder, 'missing.so')
    expect(await errorOf(() => suite.bench.library.loadPluginLibrary(library))).toMatchObject({
      code: 'PLUGIN_FAILED',
      library,
      errors: [expect.stringContaining('missing.so')],
    })
  })

  it('loads a plugin library once, whoever asks for it', async () => {
    const path = await buildFakePlugins({ sanitize: isSanitized() })
    for (const library of [suite.bench.library, suite.bench.open(), suite.bench.library])
      library.loadPluginLibrary(path)
    expect(suite.bench.control.calls('PluginRegistry.loadLibrary')).toBe(1)
  })

  it('checks arguments', async () => {
    const { library } = suite.bench
    const wrong = (fields: object) =>
      errorOf(() => library.build({ ...suite.bench.request(sumModel()), ...fields }, () => {}))
    expect(await wrong({ model: 5 })).toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'model' })
    expect(await wrong({ cudaContext: -1 })).toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'cudaContext' })
    expect(await wrong({ profiles: [{ a: { min: [1], opt: [1], max: [1, 2] } }] })).toMatchObject({
      argument: 'profiles[0].a',
    })
    expect(await wrong({ profiles: [{ 'a\0': range, b: range }] })).toMatchObject({ argument: 'profiles[0]' })
    expect(await wrong({ memoryPools: { 'WORKSPACE\0': 1 } })).toMatchObject({ argument: 'memoryPools' })
    expect(await wrong({ memoryPools: { WORKSPACE: 0.5 } })).toMatchObject({ argument: 'memoryPools.WORKSPACE' })
    expect(await errorOf(() => library.build(suite.bench.request(sumModel()), undefined as never))).toMatchObject({
      argument: 'onEvent',
    })
    const engine = await suite.bench.engine(sumModel(), { profiles })
    expect(await errorOf(() => engine.inspect('xml' as never))).toMatchObject({ argument: 'format' })
    expect(await errorOf(() => engine.createContext({ memory: 'all' as never }))).toMatchObject({ argument: 'memory' })
    expect(() => new (engine.constructor as new () => unknown)()).toThrow('Illegal constructor')
    await engine.dispose()
  })

  it('says which library or version it cannot use', async () => {
    const missing = ['/nowhere/libnvinfer.so.10', '/nowhere/libnvinfer.so']
    const error = await errorOf(() => suite.bench.open(missing))
    expect(error).toMatchObject({ code: 'LIBRARY_MISSING', library: 'libnvinfer', tried: missing })
    expect(await errorOf(() => suite.bench.open([suite.bench.driverPath]))).toMatchObject({
      code: 'SYMBOL_MISSING',
      symbol: 'getInferLibVersion',
    })
    for (const unknown of ['9.3.0', '12.0.0']) {
      const path = await buildOtherMajor(unknown)
      expect(await errorOf(() => suite.bench.open([path]))).toMatchObject({
        code: 'VERSION_UNSUPPORTED',
        version: unknown,
      })
    }
  })
})
