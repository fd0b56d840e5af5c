import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSession, type Session, type SessionOptions, Tensor, Timeline } from '@lowlat/core'
import { denseModel, type SimulatorControl, smallModel, sumModel } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBackend } from '../backend.ts'
import { cudaBackend, cudaUnavailable, useSimulator } from '../testing/simulated-backend.ts'
import { planOf } from '../testing/work-plan.ts'

const reason = cudaUnavailable()

const info = (name: string, shape: readonly (number | string)[], dtype: 'float32' | 'int64' = 'float32') => ({
  name,
  dtype,
  shape,
})

/** y = relu(det(-x)), z = -x: determinants have no kernel. */
const detModel = () =>
  smallModel({
    inputs: [info('x', ['batch', 3, 3])],
    outputs: [info('y', ['batch']), info('z', ['batch', 3, 3])],
    nodes: [
      ['Neg', ['x'], ['z']],
      ['Det', ['z'], ['d']],
      ['Relu', ['d'], ['y']],
    ],
  })

/** places = indices where x > 0: how many there are is known when they are there. */
const nonZeroModel = () =>
  smallModel({
    inputs: [info('x', ['n'])],
    outputs: [info('places', [1, 'count'], 'int64')],
    nodes: [
      ['Relu', ['x'], ['positive']],
      ['NonZero', ['positive'], ['places']],
    ],
  })

const diagonal = (...values: number[]) => values.flatMap((value) => [value, 0, 0, 0, value, 0, 0, 0, value])

const det = (...values: number[]) => new Tensor('float32', [values.length, 3, 3], new Float32Array(diagonal(...values)))

describe.skipIf(reason)(`the engine${reason ? ` (${reason})` : ''}`, () => {
  let control: SimulatorControl | undefined
  let folder: string

  beforeAll(async () => {
    control = await useSimulator()
    folder = await mkdtemp(join(tmpdir(), 'lowlat-cuda-engine-'))
  }, 600_000)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const open = (model: Uint8Array, backendOptions = {}, options: SessionOptions = {}): Promise<Session> =>
    createSession(model, { backend: cudaBackend(), backendOptions: { cuda: backendOptions }, cache: false, ...options })

  const ones = (rows: number, columns = 4) =>
    new Tensor('float32', [rows, columns], new Float32Array(rows * columns).fill(1))

  it('waits for contexts that are being disposed, and makes no more', async () => {
    const backend = cudaBackend()
    const engine = await backend.load(await planOf(backend, sumModel(), folder), { backendOptions: {} })
    const contexts = [await engine.createContext(), await engine.createContext()]
    const pending = contexts.map((context) => context.run({ a: ones(2), b: ones(2) }))
    const going = contexts[0]![Symbol.asyncDispose]()
    const gone = engine[Symbol.asyncDispose]()
    await expect(engine.createContext()).rejects.toMatchObject({ code: 'DISPOSED' })
    await Promise.all([going, gone])
    await Promise.allSettled(pending)
    await expect(engine.createContext()).rejects.toMatchObject({ code: 'DISPOSED' })
    await expect(contexts[1]!.run({ a: ones(2), b: ones(2) })).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  describe('with operators that have no kernel', () => {
    it('runs them on the host, between kernels', async () => {
      await using session = await open(detModel())
      for (const values of [[-2], [-1, 3, -4], [2]]) {
        const { y, z } = await session.run({ x: det(...values) })
        expect([...y!.toFloat32()]).toEqual(values.map((value) => Math.max(0, -(value ** 3))))
        expect([...z!.toFloat32()].map((value) => value + 0)).toEqual(diagonal(...values).map((value) => 0 - value))
      }
      expect(session.inspect().properties).toMatchObject({ hostOperators: ['Det'] })
      expect(session.inspect().layers?.map(({ tactic }) => tactic === 'host')).toEqual([false, true, false])
    })

    it('leaves them out where no output needs them', async () => {
      await using session = await open(detModel(), {}, { warmup: false })
      const timeline = new Timeline()
      const { z, ...others } = await session.run({ x: det(5) }, { outputs: ['z'], timeline })
      expect([z!.toFloat32()[0], others]).toEqual([-5, {}])
      expect(timeline.spans.filter(({ label }) => label?.startsWith('host:'))).toEqual([])
    })

    it('returns what only the host knows the shape of', async () => {
      await using session = await open(nonZeroModel())
      for (const values of [
        [1, -1, 2],
        [-1, -2, -3],
        [3, 4, 5],
      ]) {
        const { places } = await session.run({ x: new Tensor('float32', [3], new Float32Array(values)) })
        const expected = values.flatMap((value, index) => (value > 0 ? [BigInt(index)] : []))
        expect([places!.shape, [...places!.data]]).toEqual([[1, expected.length], expected])
      }
    })

    it('refuses them all by name where that is asked for', async () => {
      await expect(open(detModel(), { hostFallback: 'error' })).rejects.toMatchObject({
        code: 'MODEL_UNSUPPORTED',
        details: { operators: ['Det'] },
      })
    })

    it('says which operators need a host that is not there', async () => {
      const backend = createBackend({ host: 'no-such-host' })
      await expect(createSession(detModel(), { backend, cache: false })).rejects.toMatchObject({
        code: 'BACKEND_UNKNOWN',
        message: expect.stringContaining('(Det)'),
      })
    })
  })

  describe('with changing shapes', () => {
    it('keeps as many graphs as it may', async () => {
      await using session = await open(sumModel(), { graphs: 2 }, { contexts: 1 })
      for (const rows of [1, 2, 3, 1, 2, 3, 3]) {
        const { sum } = await session.run({ a: ones(rows), b: ones(rows) })
        expect(sum!.toFloat32()).toEqual(new Float32Array(rows * 4).fill(2))
      }
      expect(session.inspect().properties).toMatchObject({ graphs: [2] })
      if (control) expect(control.counts()).toMatchObject({ graphExecs: 2, graphs: 0 })
    })

    it('makes room for larger ones, and goes back to smaller ones', async () => {
      await using session = await open(sumModel(), {}, { contexts: 1 })
      for (const rows of [1, 3000, 1, 70_000, 2]) {
        const { difference } = await session.run({ a: ones(rows), b: ones(rows) })
        expect(difference!.shape).toEqual([rows, 4])
        expect(difference!.toFloat32().every((value) => value === 0)).toBe(true)
      }
    })

    it('takes any shape inside a profile without packing anew', async () => {
      const weights = new Tensor(
        'float32',
        [64, 200],
        Float32Array.from({ length: 12_800 }, (_, i) => (i % 9) - 4),
      )
      const profiles = [{ x: { min: [1, 64], opt: [4, 64], max: [48, 64] } }]
      await using session = await open(denseModel(weights), {}, { profiles })
      for (const rows of [1, 5, 17, 48]) {
        const { y } = await session.run({ x: ones(rows, 64) })
        const first = weights.data.filter((_, i) => i % 200 === 0).reduce((sum, value) => sum + value, 0)
        expect(y!.toFloat32()[0]).toBeCloseTo(Math.max(0, first), 3)
      }
    })

    it('takes empty tensors', async () => {
      await using session = await open(sumModel())
      const { sum } = await session.run({ a: ones(0), b: ones(0) })
      expect([sum!.shape, sum!.byteLength]).toEqual([[0, 4], 0])
    })
  })

  it('describes device, memory and layers', async () => {
    await using session = await open(denseModel(Tensor.zeros('float32', [4, 4])))
    const { backend, properties, layers } = session.inspect()
    expect(backend).toBe('cuda')
    expect(properties).toMatchObject({
      device: expect.any(String),
      precision: 'model',
      tf32: false,
      inputShapes: { x: [1, 4] },
      hostOperators: [],
    })
    for (const size of ['weightsBytes', 'arenaBytes', 'pinnedBytes']) expect(properties[size]).toBeGreaterThan(0)
    expect(layers!.length).toBeGreaterThan(0)
    const text = expect.stringMatching(/\S/)
    for (const layer of layers!) expect(layer).toMatchObject({ name: text, operator: text, tactic: text })
  })

  it('measures its layers, and the phases of a run', async () => {
    await using session = await open(detModel())
    const timings = await session.profile({ x: det(1, 2) }, 3)
    expect(timings.every(({ calls, meanUs }) => calls === 3 && meanUs >= 0)).toBe(true)
    const operators = timings.map(({ operator }) => operator)
    expect(operators).toContain('host: Det')
    expect(operators).toContain('copy to the device')
    expect(operators).toContain('copy to the host')
    const timeline = new Timeline()
    await session.run({ x: det(1, 2) }, { timeline })
    const segments = new Set(timeline.spans.map(({ segment }) => segment))
    for (const segment of ['h2d', 'compute', 'd2h'] as const) expect(segments.has(segment)).toBe(true)
  })

  it('refuses a precision that the model does not give, and devices that are not there', async () => {
    const model = denseModel(Tensor.zeros('float32', [4, 4]))
    await expect(open(model, {}, { precision: 'int8' })).rejects.toMatchObject({
      code: 'PRECISION_UNAVAILABLE',
      expected: 'int8',
      received: 'fp32',
    })
    await expect(open(model, { device: 900 })).rejects.toMatchObject({ code: 'CONFIG_INVALID', received: 900 })
    await expect(open(model, { graphs: 0 })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('computes in half precision when asked to', async () => {
    const weights = new Tensor('float32', [2, 2], new Float32Array([1.0001, 0, 0, 3]))
    await using session = await open(denseModel(weights), {}, { precision: 'fp16' })
    const { y } = await session.run({ x: new Tensor('float32', [1, 2], new Float32Array([1, 1])) })
    expect([y!.dtype, ...y!.toFloat32()]).toEqual(['float32', 1, 3])
  })

  it('refuses plans that were made for other kernels or options', async () => {
    const backend = cudaBackend()
    const plan = await planOf(backend, sumModel(), folder)
    await expect(backend.load(plan, { backendOptions: { tf32: true } })).rejects.toMatchObject({
      code: 'PLAN_STALE',
      details: { differs: 'tf32' },
    })
  })

  it('goes on after feeds that are gone when the run starts', async () => {
    const backend = cudaBackend()
    const plan = await planOf(backend, sumModel(), folder)
    await using engine = await backend.load(plan, { backendOptions: {} })
    await using context = await engine.createContext()
    await expect(context.run({ a: ones(1) })).rejects.toMatchObject({ code: 'INPUT_MISSING' })
    const gone = ones(1)
    structuredClone(gone.data.buffer, { transfer: [gone.data.buffer as ArrayBuffer] })
    await expect(context.run({ a: ones(1), b: gone })).rejects.toMatchObject({ code: 'INPUT_BYTE_LENGTH' })
    expect((await context.run({ a: ones(1), b: ones(1) })).sum!.toFloat32()[0]).toBe(2)
  })
})
