import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSession, type Plan, Tensor } from '@lowlat/core'
import { openDriver } from '@lowlat/cuda-driver'
import {
  buildFakeNvinfer,
  buildFakePlugins,
  denseModel,
  isSanitized,
  nvinferErrors,
  simulatorUnavailable,
  smallModel,
  sumModel,
  testsOnGpu,
} from '@lowlat/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { backendOver } from './backend.ts'
import { openTensorRt } from './tensorrt/open.ts'
import { type StandIn, useStandIn } from './testing/stand-in.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

const MB = 2 ** 20
const SIZE = 512 // weights of 1 MiB
const filled = (value: number) => new Tensor('float32', [SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(value))
const dense = denseModel(filled(1))
const row = (value: number) => new Tensor('float32', [1, SIZE], new Float32Array(SIZE).fill(value))
const twice = smallModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: [2] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [2] }],
  nodes: [['TwiceAsPlugin', ['x'], ['y']]],
})

/** What plans bring along or leave out, from their building to a run. */
describe.skipIf(reason).each([10, 11] as const)(
  `plans of TensorRT %i, as its stand-in${reason ? ` (${reason})` : ''}`,
  (major) => {
    let standIn: StandIn
    const folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-plans-'))

    beforeAll(async () => {
      standIn = await useStandIn(major)
    }, 600_000)
    beforeEach(() => standIn.control.reset())
    afterEach(() => expect(standIn.control.violations()).toEqual([]))
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    const compile = (model: Uint8Array | string, trt: Record<string, unknown> = {}): Promise<Plan> =>
      standIn
        .backend()
        .compile(typeof model === 'string' ? { kind: 'file', path: model } : { kind: 'bytes', bytes: model }, {
          precision: 'model',
          profiles: [],
          backendOptions: { timingCache: false, ...trt },
          workFolder: mkdtempSync(join(folder, 'work-')),
        })
    const load = (plan: Plan, trt: Record<string, unknown> = {}) =>
      standIn.backend().load(plan, { backendOptions: { timingCache: false, ...trt } })
    /** The first value of y. */
    async function outputOf(plan: Plan, x: Tensor, trt: Record<string, unknown> = {}): Promise<number> {
      await using engine = await load(plan, trt)
      await using context = await engine.createContext()
      let y = Number.NaN
      for (let run = 0; run < 3; run++) y = (await context.run({ x })).y!.toFloat32()[0]!
      return y
    }
    const pathOf = ({ payload }: Plan): string => (payload.kind === 'file' ? payload.path : expect.fail('not a file'))

    it('come from files piece by piece, to the host and to the device', async () => {
      const plan = await compile(dense)
      const { control, simulator } = standIn
      expect(await outputOf(plan, row(1))).toBe(SIZE)
      expect(control.calls('Runtime.deserializeCudaEngineV2')).toBe(1)
      expect(control.calls('Runtime.deserializeCudaEngine')).toBe(0)
      expect(control.calls('StreamReaderV2.read of the host')).toBeGreaterThan(1)
      expect(control.calls('StreamReaderV2.read of the device')).toBeGreaterThan(1)
      // Bytes are read as a whole.
      const bytes = new Uint8Array(readFileSync(pathOf(plan)))
      expect(await outputOf({ ...plan, payload: { kind: 'bytes', bytes } }, row(1))).toBe(SIZE)
      expect(control.calls('Runtime.deserializeCudaEngine')).toBe(1)
      simulator.failCall({ name: 'cuMemcpyHtoDAsync_v2', result: 1 })
      await expect(load(plan)).rejects.toMatchObject({ code: 'PLAN_INVALID', message: /the reader failed/ })
      simulator.clearFaults()
      bytes[bytes.length - 1]! ^= 1
      writeFileSync(pathOf(plan), bytes)
      await expect(load(plan)).rejects.toMatchObject({ code: 'PLAN_INVALID' })
    })

    it('come from files as a whole before 10.7', async () => {
      if (major === 11) return
      const { nvinferPath, onnxParserPath, pluginPath } = await buildFakeNvinfer({
        major,
        version: '10.6.0',
        sanitize: isSanitized(),
      })
      const old = openTensorRt({ nvinfer: [nvinferPath], onnxParser: [onnxParserPath], plugin: [pluginPath] })
      const backend = backendOver(() => old)
      await using session = await createSession(dense, {
        backend,
        backendOptions: { trt: { timingCache: false } },
        cache: false,
      })
      expect((await session.run({ x: row(1) })).y!.toFloat32()[0]).toBe(SIZE)
    })

    it('stream their weights within the budget, which the context pays for', async () => {
      const plan = await compile(dense, { weightStreamingMB: 0 })
      expect(await outputOf(plan, row(1), { weightStreamingMB: 0 })).toBe(SIZE)
      await using streaming = await load(plan, { weightStreamingMB: 0 })
      await using whole = await load(plan, { weightStreamingMB: 4 })
      await using unset = await load(plan)
      const propertiesOf = (engine: typeof whole) =>
        engine.inspect!().properties as {
          weightStreaming?: object
          memory: { contextBytes: number }
          noGraphs?: string
        }
      expect(propertiesOf(streaming).weightStreaming).toMatchObject({ streamableBytes: MB, budgetBytes: 0 })
      expect(propertiesOf(whole).weightStreaming).toMatchObject({ budgetBytes: MB, scratchBytes: 0 })
      expect(propertiesOf(unset).weightStreaming).toMatchObject({ budgetBytes: MB })
      expect(propertiesOf(streaming).memory.contextBytes).toBeGreaterThan(propertiesOf(whole).memory.contextBytes)
      for (const [engine, graphs] of [
        [streaming, 0],
        [whole, 1],
      ] as const) {
        await using context = await engine.createContext()
        for (let run = 0; run < 3; run++) expect((await context.run({ x: row(2) })).y!.toFloat32()[0]).toBe(2 * SIZE)
        expect(engine.inspect!().properties).toMatchObject({ graphs: [graphs] })
      }
      expect(propertiesOf(streaming).noGraphs).toMatch(/weights come from the host/)
    })

    it('refuse a budget where they were not built to stream weights', async () => {
      const plan = await compile(dense)
      await using engine = await load(plan)
      expect(engine.inspect!().properties).not.toHaveProperty('weightStreaming')
      await expect(load(plan, { weightStreamingMB: 1 })).rejects.toMatchObject({
        code: 'RUN_FAILED',
        message: expect.stringMatching(/setWeightStreamingBudgetV2.*needs weight streaming/),
      })
      expect(standIn.control.alive('CudaEngine')).toBe(1)
    })

    it('need plugins that are loaded by their path', async () => {
      await expect(compile(twice)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
      const path = await buildFakePlugins({ sanitize: isSanitized() })
      const plan = await compile(twice, { plugins: [path] })
      const x = new Tensor('float32', [2], Float32Array.of(3, 4))
      expect(await outputOf(plan, x)).toBe(6)
      expect(standIn.control.calls('PluginRegistry.loadLibrary')).toBe(1)
      standIn.control.forgetPlugins()
      await expect(load(plan)).rejects.toMatchObject({
        code: 'PLAN_INVALID',
        message: expect.stringContaining('TwiceAsPlugin'),
      })
      await expect(load({ ...plan, metadata: { ...plan.metadata, plugins: [`${path}.gone`] } })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
      })
    })

    it('bring plugins along, whose files need not be there then', async () => {
      const path = join(folder, 'libtwice.so')
      writeFileSync(path, readFileSync(await buildFakePlugins({ sanitize: isSanitized() })))
      const trt = { plugins: [path], embedPlugins: true, versionCompatible: true }
      const compiled = await compile(twice, trt)
      // As on another machine: a path at which nothing is, in a process that has loaded none.
      const plan = { ...compiled, metadata: { ...compiled.metadata, plugins: [join(folder, 'elsewhere.so')] } }
      standIn.control.forgetPlugins()
      rmSync(path)
      const loads = standIn.control.calls('PluginRegistry.loadLibrary')
      expect(await outputOf(plan, new Tensor('float32', [2], Float32Array.of(3, 4)))).toBe(6)
      expect(standIn.control.calls('PluginRegistry.loadLibrary')).toBe(loads)
      standIn.control.forgetPlugins()
    })

    it('without weights get them from their model, and only from that one', async () => {
      const path = join(folder, 'stripped.onnx')
      writeFileSync(path, dense)
      const plan = await compile(path, { stripPlan: true })
      expect(readFileSync(pathOf(plan)).byteLength).toBeLessThan(MB / 8)
      expect(await outputOf(plan, row(1))).toBe(SIZE)
      const { control } = standIn
      control.failCall({ name: 'Refitter.refitCudaEngine', code: nvinferErrors.failedExecution })
      await expect(load(plan)).rejects.toMatchObject({
        code: 'RUN_FAILED',
        message: expect.stringContaining('refitCudaEngine'),
      })
      control.failCall({ name: 'OnnxParserRefitter.refitFromBytes' })
      await expect(load(plan)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
      writeFileSync(path, denseModel(filled(2)))
      await expect(load(plan)).rejects.toMatchObject({ code: 'PLAN_STALE' })
      rmSync(path)
      await expect(load(plan)).rejects.toMatchObject({ code: 'PLAN_STALE' })
      expect(control.alive('CudaEngine') + control.alive('Refitter')).toBe(0)
    })

    it('without weights are of no use before they are refitted', async () => {
      const { tensorRt } = standIn
      const driver = openDriver()
      using cuda = driver.createContext(driver.devices()[0]!)
      using stream = cuda.createStream()
      const model = { bytes: dense }
      const range = { min: [1, SIZE], opt: [1, SIZE], max: [1, SIZE] }
      const { plan } = await tensorRt.build(model, { cuda, profiles: [{ x: range }], flags: ['STRIP_PLAN', 'REFIT'] })
      await using engine = await tensorRt.deserialize(plan, { cuda })
      await using context = await engine.createContext()
      using x = cuda.allocate(4 * SIZE)
      using y = cuda.allocate(4 * SIZE)
      x.write(row(1).bytes)
      context.setInputShape('x', [1, SIZE])
      context.setAddress('x', x.address)
      context.setAddress('y', y.address)
      expect(() => context.enqueue(stream)).toThrow(/no weights/)
      const run = () => {
        context.enqueue(stream)
        stream.synchronize()
        return new Float32Array(y.read(0, 4).slice().buffer)[0]
      }
      expect(await engine.refit({ bytes: sumModel() })).toEqual({ missing: ['weights'] })
      expect(await engine.refit(model)).toEqual({ missing: [] })
      expect(run()).toBe(SIZE)
      await engine.refit({ bytes: denseModel(filled(3)) })
      expect(run()).toBe(3 * SIZE)
    })

    it('let those weights be replaced that were named', async () => {
      const trt = { refit: 'individual', refitWeights: ['weights'] }
      await using session = await createSession(dense, {
        backend: standIn.backend(),
        backendOptions: { trt: { timingCache: false, ...trt } },
        cache: false,
      })
      expect(session.inspect().properties).toMatchObject({ refittable: true })
      expect(standIn.control.calls('NetworkDefinition.markWeightsRefittable')).toBe(1)
      await expect(compile(dense, { ...trt, refitWeights: ['nothing'] })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        received: 'nothing',
      })
    })
  },
)
