import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Precision, Tensor } from '@lowlat/core'
import { GraphBuilder, graphFromOnnx, onnxFromGraph, saveGraph } from '@lowlat/onnx'
import { simulatorUnavailable, smallModel, testsOnGpu } from '@lowlat/testing'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BuildEvent } from '../native.ts'
import { nativeError } from '../testing/fake-native.ts'
import { copyModel, FakeSession, useSimulatedDriver } from '../testing/fake-session.ts'

const reason = testsOnGpu() ? 'needs the simulator, not a GPU' : simulatorUnavailable()

function rejectable(): { promise: Promise<never>; reject: (error: unknown) => void } {
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<never>((_, fail) => {
    reject = fail
  })
  return { promise, reject }
}

function denseModel(): Uint8Array {
  const g = new GraphBuilder('dense')
  const product = g.op('MatMul', [g.input('x', 'float32', ['batch', 64]), g.weights('w', [64, 8], 0.1)])
  g.output('y', product, 'float32', ['batch', 8])
  return onnxFromGraph(g.graph)
}

describe.skipIf(reason)(`a build${reason ? ` (${reason})` : ''}`, () => {
  let session: FakeSession
  let fake: FakeSession['fake']

  beforeAll(async () => {
    await useSimulatedDriver()
  }, 600_000)

  beforeEach(() => {
    session = new FakeSession()
    fake = session.fake
    return () => session[Symbol.dispose]()
  })

  const model = copyModel(['x', 'y', ['batch', 4]])

  it('asks for a strongly typed network, without TF32, with the profiles', async () => {
    const plan = await session.compile(model)
    expect(fake.requests[0]).toMatchObject({
      stronglyTyped: true,
      flags: ['DISABLE_TIMING_CACHE'],
      profilingVerbosity: 'DETAILED',
      profiles: [{ x: { min: [1, 4], opt: [1, 4], max: [16, 4] } }],
      cudaContext: expect.any(Number),
    })
    expect(plan.profiles).toEqual(fake.requests[0]!.profiles)
    expect(JSON.parse(JSON.stringify(plan.metadata))).toEqual(plan.metadata)
  })

  it("passes all options on in TensorRT's terms", async () => {
    const options = {
      tf32: true,
      optimizationLevel: 5,
      workspaceMB: 2,
      memoryPools: { TACTIC_SHARED_MEMORY: 1024 },
      builderFlags: ['SPARSE_WEIGHTS'],
      hardwareCompatibility: 'ampere-plus',
      versionCompatible: true,
      refit: 'individual',
      refitWeights: ['w'],
      tiling: 'fast',
      auxStreams: 2,
      timingIterations: 4,
      weightStreamingMB: 1,
      profilingVerbosity: 'layer-names-only',
      plugins: ['/opt/plugin.so'],
      embedPlugins: true,
    }
    await session.compile(model, options)
    expect(new Set(fake.requests[0]!.flags)).toEqual(
      new Set([
        'SPARSE_WEIGHTS',
        'REFIT_INDIVIDUAL',
        'TF32',
        'VERSION_COMPATIBLE',
        'WEIGHT_STREAMING',
        'DISABLE_TIMING_CACHE',
      ]),
    )
    expect(fake.requests[0]).toMatchObject({
      optimizationLevel: 5,
      memoryPools: { WORKSPACE: 2 * 2 ** 20, TACTIC_SHARED_MEMORY: 1024 },
      hardwareCompatibility: 'AMPERE_PLUS',
      tilingOptimizationLevel: 'FAST',
      maxAuxStreams: 2,
      avgTimingIterations: 4,
      profilingVerbosity: 'LAYER_NAMES_ONLY',
      pluginLibraries: ['/opt/plugin.so'],
      refittableWeights: ['w'],
    })
    await session.compile(model, options)
    expect([...fake.plugins]).toEqual(['/opt/plugin.so'])
  })

  it('takes one profile for weights that can be replaced', async () => {
    const at = (batch: number) => ({ x: { min: [1, 4], opt: [1, 4], max: [batch, 4] } })
    const refused = { code: 'CONFIG_INVALID', message: expect.stringMatching(/one profile/) }
    await expect(session.compile(model, { refit: 'all' }, [at(1), at(8)])).rejects.toMatchObject(refused)
    const path = join(session.folder, 'model.onnx')
    writeFileSync(path, model)
    await expect(session.compile(path, { stripPlan: true }, [at(1), at(8)])).rejects.toMatchObject(refused)
    expect(fake.requests).toEqual([])
    await session.compile(model, { refit: 'all' }, [at(8)])
  })

  const typesIn = (index: number) => {
    const { model } = fake.requests[index]!
    const graph = graphFromOnnx('bytes' in model ? model.bytes : readFileSync(model.path))
    return graph.initializers.map((value) => value.initializer!.elementType)
  }

  it('converts a float32 model where float16 is asked for, and leaves its inputs and outputs', async () => {
    const plan = await session.compile(denseModel(), {}, [], { precision: 'fp16' })
    expect(typesIn(0)).toEqual(['float16'])
    expect([plan.inputs[0]!.dtype, plan.outputs[0]!.dtype]).toEqual(['float32', 'float32'])
    await session.compile(denseModel(), { stronglyTyped: false }, [], { precision: 'fp16' })
    expect([typesIn(1), fake.requests[1]!.flags]).toEqual([['float32'], ['FP16', 'DISABLE_TIMING_CACHE']])
  })

  it('refuses what it cannot give, before TensorRT sees it', async () => {
    const refused = (bytes: Uint8Array, precision: Precision, options = {}) =>
      session.compile(bytes, options, [], { precision }).then(
        () => 'compiled',
        (error) => error.code,
      )
    expect(await refused(denseModel(), 'int8')).toBe('PRECISION_UNAVAILABLE')
    const half = smallModel({
      inputs: [{ name: 'x', dtype: 'float16', shape: [4] }],
      outputs: [{ name: 'y', dtype: 'float16', shape: [4] }],
      nodes: [['Add', ['x', 'w'], ['y']]],
      initializers: { w: Tensor.float16([4], new Float32Array(4)) },
    })
    expect(await refused(half, 'fp32')).toBe('PRECISION_UNAVAILABLE')
    const brain = smallModel({
      inputs: [{ name: 'x', dtype: 'bfloat16', shape: [4] }],
      outputs: [{ name: 'y', dtype: 'bfloat16', shape: [4] }],
      nodes: [['Relu', ['x'], ['y']]],
    })
    expect(await refused(brain, 'fp16')).toBe('PRECISION_UNAVAILABLE')
    const wide = smallModel({
      inputs: [{ name: 'x', dtype: 'float64', shape: [4] }],
      outputs: [{ name: 'y', dtype: 'float64', shape: [4] }],
      nodes: [['Identity', ['x'], ['y']]],
    })
    expect(await refused(wide, 'model')).toBe('MODEL_UNSUPPORTED')
    expect(await refused(model, 'model', { stripPlan: true })).toBe('CONFIG_INVALID')
    expect(await refused(new Uint8Array(64).fill(7), 'model')).toBe('MODEL_INVALID')
    expect(fake.requests).toEqual([])
    fake.builtType = 'HALF'
    expect(await refused(model, 'model')).toBe('MODEL_UNSUPPORTED')
  })

  it('gives TensorRT the path of a model whose weights lie beside it, and notes these', async () => {
    const path = join(session.folder, 'model.onnx')
    const g = graphFromOnnx(denseModel())
    await saveGraph(g, path, { externalData: { fileName: 'weights' } })
    const plan = await session.compile(path)
    expect(fake.requests[0]!.model).toEqual({ path })
    expect(plan.dependencies!.map((stamp) => stamp.path)).toEqual([join(session.folder, 'weights')])
    await session.compile(path, {}, [], { precision: 'fp16' })
    expect(typesIn(1)).toEqual(['float16'])
  })

  it('hands what the parser and the builder say on with the error', async () => {
    const log = [{ severity: 'error', message: 'No implementation' }]
    fake.failures.set('built', nativeError('BUILD_FAILED', { log }))
    await expect(session.compile(model)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED', details: { log } })
    fake.failures.set('built', nativeError('OUT_OF_MEMORY', { log }))
    await expect(session.compile(model)).rejects.toMatchObject({ code: 'OUT_OF_MEMORY', details: { log } })
    fake.failures.set('build', nativeError('FLAG_UNSUPPORTED', { flag: 'X', version: '11.0.0' }))
    await expect(session.compile(model)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('is cancelled by its signal, and tells nothing else then', async () => {
    const controller = new AbortController()
    fake.duringBuild = async () => controller.abort(new Error('enough'))
    const compiling = session.compile(model, {}, [], { signal: controller.signal })
    await expect(compiling).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } })
    await expect(session.compile(model, {}, [], { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect(fake.countOf('build')).toBe(1)
  })

  it('reports phases and the log, and ends with what the listener throws', async () => {
    const events: BuildEvent[] = [
      { kind: 'phase-start', phase: 'Building Engine', steps: 2 },
      { kind: 'log', severity: 'info', message: 'hello' },
      { kind: 'step', phase: 'Building Engine', step: 1 },
      { kind: 'phase-end', phase: 'Building Engine' },
    ]
    fake.duringBuild = async (emit) => {
      for (const event of events) emit(event)
    }
    const seen: BuildEvent[] = []
    await session.compile(model, { onBuild: (event: BuildEvent) => seen.push(event) })
    expect(seen).toEqual(events)
    let calls = 0
    const onBuild = () => {
      calls++
      throw new RangeError('no more')
    }
    await expect(session.compile(model, { onBuild })).rejects.toThrow(new RangeError('no more'))
    const later = () => Promise.reject(new RangeError('later'))
    await expect(session.compile(model, { onBuild: later })).rejects.toThrow(new RangeError('later'))
    expect(calls).toBe(1)
  })

  it('leaves a rejection of the listener that comes after it to the process', async () => {
    fake.duringBuild = async (emit) => emit({ kind: 'phase-end', phase: 'Building Engine' })
    const unhandled = vi.fn()
    const { promise: over, reject } = rejectable()
    const others = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', unhandled)
    try {
      await session.compile(model, { onBuild: () => over })
      reject(new RangeError('too late'))
      await vi.waitFor(() => expect(unhandled).toHaveBeenCalledWith(new RangeError('too late'), expect.anything()))
    } finally {
      process.removeAllListeners('unhandledRejection')
      for (const listener of others) process.on('unhandledRejection', listener)
    }
  })

  it('keeps measured times for the next build', async () => {
    const timingCache = join(session.folder, 'times')
    await session.compile(model, { timingCache })
    await session.compile(model, { timingCache })
    expect(fake.requests.map((request) => request.timingCache && [...request.timingCache])).toEqual([
      undefined,
      [1, 2, 3],
    ])
    const [name] = readdirSync(timingCache)
    expect(name).toMatch(/^10\.13\.2_/)
    mkdirSync(join(session.folder, 'other'))
    writeFileSync(join(session.folder, 'other', name!), 'damaged')
    await session.compile(model, { timingCache: join(session.folder, 'other') })
    expect(fake.requests[2]!.timingCache).toBeUndefined()
  })

  it('brings the weights of a stripped plan from the model, while that is what it was', async () => {
    const path = join(session.folder, 'dense.onnx')
    writeFileSync(path, denseModel())
    const plan = await session.compile(path, { stripPlan: true })
    expect(fake.requests[0]!.flags).toContain('STRIP_PLAN')
    await (await session.load(plan))[Symbol.asyncDispose]()
    expect(fake.countOf('refit')).toBe(1)
    const code = () =>
      session.load(plan).then(
        () => 'loaded',
        (error) => error.code,
      )
    fake.refitMissing = ['w']
    expect(await code()).toBe('PLAN_STALE')
    writeFileSync(path, copyModel(['x', 'y', [1]]))
    expect(await code()).toBe('PLAN_STALE')
    expect(fake.live).toEqual({ engines: 0, contexts: 0 })
  })

  it('sees that weights beside the model of a stripped plan changed or went', async () => {
    const path = join(session.folder, 'beside.onnx')
    await saveGraph(graphFromOnnx(denseModel()), path, { externalData: { fileName: 'beside' } })
    const plan = await session.compile(path, { stripPlan: true })
    await (await session.load(plan))[Symbol.asyncDispose]()
    const beside = join(session.folder, 'beside')
    writeFileSync(beside, readFileSync(beside).fill(0))
    await expect(session.load(plan)).rejects.toMatchObject({ code: 'PLAN_STALE', received: beside })
    rmSync(beside)
    await expect(session.load(plan)).rejects.toMatchObject({
      code: 'PLAN_STALE',
      message: expect.stringContaining('is gone'),
    })
    expect([fake.countOf('refit'), fake.live.engines]).toEqual([1, 0])
  })

  it('has a key of everything that its plan depends on', async () => {
    const key = async (backendOptions: Record<string, unknown> = {}) =>
      JSON.stringify(await session.backend.planKey!({ precision: 'model', profiles: [], backendOptions }))
    const first = await key()
    expect(await key({ graphs: 2, device: 0, timingCache: false })).toBe(first)
    expect(await key({ optimizationLevel: 1 })).not.toBe(first)
    expect(await key({ hardwareCompatibility: 'ampere-plus' })).not.toBe(first)
    const plugin = join(session.folder, 'plugin.so')
    writeFileSync(plugin, '1')
    const withPlugin = await key({ plugins: [plugin] })
    writeFileSync(plugin, '12')
    expect(await key({ plugins: [plugin] })).not.toBe(withPlugin)
    await expect(key({ plugins: [join(session.folder, 'no-such.so')] })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('no-such.so'),
    })
    fake.version = { major: 11, minor: 0, patch: 0 }
    expect(await key()).not.toBe(first)
  })
})
