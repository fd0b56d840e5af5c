import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { createSession, type Feeds, type Plan, Tensor } from '@lowlat/core'
import { denseModel, smallModel, sumModel } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBackend } from './backend.ts'
import type { CpuOptions } from './options.ts'
import { filePlan } from './testing/file-plan.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-runners-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const compile = (bytes: Uint8Array) => filePlan(bytes, folder)

const loadPlan = (plan: Plan, placement: CpuOptions['placement']) =>
  createBackend().load(plan, { backendOptions: { placement } })

const four = (buffer: ArrayBufferLike = new ArrayBuffer(16)) =>
  new Tensor('float32', [1, 4], new Float32Array(buffer, 0, 4).fill(3))

const renamed = (input: string, output: string) =>
  smallModel({
    inputs: [{ name: input, dtype: 'float32', shape: [1, 4] }],
    outputs: [{ name: output, dtype: 'float32', shape: [1, 4] }],
    nodes: [['Identity', [input], [output]]],
  })

for (const placement of ['worker', 'inline'] as const) {
  describe(`feeds of a run, placement ${placement}`, () => {
    const sumOf = async (feeds: Feeds) => {
      await using engine = await loadPlan(await compile(sumModel()), placement)
      await using context = await engine.createContext()
      return [...(await context.run(feeds)).sum!.toFloat32()]
    }

    it('are found as own properties, hidden ones, inherited ones and getters', async () => {
      const [a, b] = [four(), four()]
      const getters = {
        get a() {
          return a
        },
        get b() {
          return b
        },
      }
      const hidden = Object.defineProperties({}, { a: { value: a }, b: { value: b } }) as Feeds
      for (const feeds of [{ a, b }, Object.create({ a, b }) as Feeds, Object.assign(Object.create(null), { a, b })]) {
        expect(await sumOf(feeds)).toEqual([6, 6, 6, 6])
      }
      expect([await sumOf(getters), await sumOf(hidden)]).toEqual([
        [6, 6, 6, 6],
        [6, 6, 6, 6],
      ])
    })

    it('may lie in shared memory, which stays as it is', async () => {
      const a = four(new SharedArrayBuffer(16))
      expect(await sumOf({ a, b: a })).toEqual([6, 6, 6, 6])
      expect([...a.data]).toEqual([3, 3, 3, 3])
    })

    it('that were transferred or shrunk while they waited are refused, and the next run works', async () => {
      await using engine = await loadPlan(await compile(sumModel()), placement)
      await using context = await engine.createContext()
      const [sent, shrunk] = [
        four(),
        new Tensor(
          'float32',
          [1, 4],
          new Float32Array(Reflect.construct(ArrayBuffer, [16, { maxByteLength: 16 }]) as ArrayBuffer),
        ),
      ]
      structuredClone(sent.data.buffer, { transfer: [sent.data.buffer as ArrayBuffer] })
      ;(shrunk.data.buffer as ArrayBuffer & { resize(byteLength: number): void }).resize(8)
      for (const [tensor, received] of [
        [sent, 0],
        [shrunk, 2],
      ] as const) {
        const run = context.run({ a: four(), b: tensor })
        await expect(run).rejects.toMatchObject({ code: 'INPUT_BYTE_LENGTH', expected: 4, received })
      }
      await expect(context.run({ a: four() })).rejects.toMatchObject({ code: 'INPUT_MISSING' })
      expect([...(await context.run({ a: four(), b: four() })).sum!.toFloat32()]).toEqual([6, 6, 6, 6])
    })

    it('and results may be named like the properties of every object', async () => {
      for (const [input, output] of [
        ['__proto__', 'y'],
        ['constructor', 'toString'],
      ] as const) {
        const options = { backend: createBackend(), cache: false, backendOptions: { cpu: { placement } } }
        const session = await createSession(renamed(input, output), options)
        const fetches = await session.run(Object.fromEntries([[input, four()]]))
        expect(Object.entries(fetches).map(([name, tensor]) => [name, ...tensor.toFloat32()])).toEqual([
          [output, 3, 3, 3, 3],
        ])
        await session.dispose()
      }
      await expect(compile(renamed('x', '__proto__'))).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
    })
  })
}

describe("a plan's file that vanishes", () => {
  it('fails requests with the cause, until it is back', async () => {
    const weights = new Tensor('float32', [4, 512], new Float32Array(2048).fill(1))
    const plan = await compile(denseModel(weights))
    const workers: Worker[] = []
    const onWorker = (worker: Worker) => workers.push(worker)
    process.on('worker', onWorker)
    const engine = await loadPlan(plan, 'worker')
    process.off('worker', onWorker)
    const context = await engine.createContext()
    const elsewhere = join(folder, 'elsewhere')
    await rename(plan.payload.path, elsewhere)
    const lost = context.run({ x: four() })
    await workers[0]!.terminate()
    await expect(lost).rejects.toMatchObject({ code: 'WORKER_DIED' })
    for (let run = 0; run < 2; run++) {
      await expect(context.run({ x: four() })).rejects.toMatchObject({
        code: 'PLAN_INVALID',
        remedy: expect.stringContaining('open a new session'),
      })
    }
    await rename(elsewhere, plan.payload.path)
    expect((await context.run({ x: four() })).y!.toFloat32()[511]).toBe(12)
    await engine[Symbol.asyncDispose]()
  })
})
