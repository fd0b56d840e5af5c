import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  allocate,
  type Backend,
  createSession,
  type DType,
  type Engine,
  type Plan,
  type Session,
  type SessionOptions,
  Tensor,
} from '@lowlat/core'
import { afterAll, describe, expect, it } from 'vitest'
import { denseModel, gatherModel, identityModel, sumModel, unknownOperatorModel } from './models.ts'

export interface BackendSuite {
  readonly create: () => Backend
  /** Options of the backend to run the suite under. */
  readonly backendOptions?: Readonly<Record<string, unknown>>
  /** Tests by title that do not hold for this backend, each with the reason. */
  readonly exclude?: Readonly<Record<string, string>>
  /** Largest relative error of a dot product of 64 terms in float32. Default 1e-5. */
  readonly tolerance?: number
}

/** The dtypes that every backend takes and returns. */
const contractDTypes: readonly DType[] = [
  'float32',
  'float64',
  'float16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
]

/** The contract of a backend as tests: written once, run by every backend. */
export function testBackend(name: string, suite: BackendSuite): void {
  const { create, backendOptions = {}, exclude = {}, tolerance = 1e-5 } = suite
  const titles = new Set<string>()
  const check = (title: string, run: () => Promise<void>) => {
    titles.add(title)
    const reason = exclude[title]
    if (reason === undefined) it(title, run)
    else it.skip(`${title} (excluded: ${reason})`, run)
  }
  const folder = mkdtemp(join(tmpdir(), 'lowlat-contract-'))
  afterAll(async () => rm(await folder, { recursive: true, force: true }))

  const open = async (model: Uint8Array, options: SessionOptions = {}): Promise<Session> => {
    const backend = create()
    return createSession(model, {
      backend,
      backendOptions: { [backend.name]: backendOptions },
      cache: false,
      ...options,
    })
  }
  const compile = async (model: Uint8Array): Promise<Plan> =>
    create().compile(
      { kind: 'bytes', bytes: model },
      { precision: 'model', profiles: [], backendOptions, workFolder: await mkdtemp(join(await folder, 'work-')) },
    )
  const load = async (model: Uint8Array): Promise<Engine> => create().load(await compile(model), { backendOptions })

  describe(`the contract, kept by ${name}`, () => {
    check('says whether it is available, and where not, why and what to do', async () => {
      const probe = await create().probe()
      if (probe.available) expect(probe.devices.length).toBeGreaterThan(0)
      else expect([probe.reason, probe.remedy].every((text) => text.length > 0)).toBe(true)
    })

    check('gives the same plan key twice', async () => {
      const options = { precision: 'model', profiles: [], backendOptions } as const
      const [first, second] = [await create().planKey?.(options), await create().planKey?.(options)]
      expect(second).toEqual(first)
      expect(JSON.parse(JSON.stringify(first ?? {}))).toEqual(first ?? {})
    })

    check('compiles to a plan that describes the model and survives JSON', async () => {
      const plan = await compile(sumModel())
      expect(plan.inputs).toEqual([
        { name: 'a', dtype: 'float32', shape: ['batch', 4] },
        { name: 'b', dtype: 'float32', shape: ['batch', 4] },
      ])
      expect(plan.outputs.map((output) => output.name)).toEqual(['sum', 'difference'])
      const { payload: _, ...facts } = plan
      expect(JSON.parse(JSON.stringify(facts))).toEqual(facts)
    })

    check('refuses what is not a model', async () => {
      const model = sumModel()
      for (const bytes of [new Uint8Array(64).fill(7), model.slice(0, model.length - 9)]) {
        await expect(compile(bytes)).rejects.toMatchObject({ code: 'MODEL_INVALID' })
      }
    })

    check('refuses an operator that nobody knows', async () => {
      await expect(compile(unknownOperatorModel())).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
    })

    check('refuses the plan of another backend', async () => {
      const plan = await compile(sumModel())
      await expect(create().load({ ...plan, backend: 'other' }, { backendOptions })).rejects.toMatchObject({
        code: 'PLAN_STALE',
      })
    })

    check('refuses options that it does not know', async () => {
      await expect(
        open(sumModel(), { backendOptions: { [create().name]: { noSuchOption: 1 } } }),
      ).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
      })
    })

    for (const dtype of contractDTypes) {
      check(`returns ${dtype} as it came`, async () => {
        await using session = await open(identityModel(dtype))
        const x = sample(dtype, 37)
        const { y } = await session.run({ x })
        expect(y!.dtype).toBe(dtype)
        expect(y!.shape).toEqual([37])
        expect(y!.bytes).toEqual(x.bytes)
      })
    }

    check('computes a dense layer', async () => {
      const weights = randomTensor([64, 48])
      await using session = await open(denseModel(weights))
      const x = randomTensor([5, 64])
      const { y } = await session.run({ x })
      const expected = dense(x, weights)
      const data = y!.toFloat32()
      for (const [i, value] of expected.entries()) {
        expect(Math.abs(data[i]! - value)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(value)))
      }
    })

    check('takes any size of a named axis, one after the other', async () => {
      await using session = await open(sumModel())
      for (const rows of [1, 7, 2, 32, 1]) {
        const a = randomTensor([rows, 4])
        const { sum } = await session.run({ a, b: a })
        expect(sum!.shape).toEqual([rows, 4])
        expect(sum!.toFloat32()).toEqual(a.toFloat32().map((value) => value + value))
      }
    })

    check('returns only the outputs that were asked for', async () => {
      await using session = await open(sumModel())
      const a = randomTensor([2, 4])
      expect(Object.keys(await session.run({ a, b: a }, { outputs: ['difference'] }))).toEqual(['difference'])
      expect(Object.keys(await session.run({ a, b: a })).sort()).toEqual(['difference', 'sum'])
    })

    check('leaves the feeds untouched, and the fetches to the caller', async () => {
      await using session = await open(sumModel())
      // A view into a larger buffer: only its part may be read.
      const memory = new Float32Array(100).map((_, i) => i)
      const a = new Tensor('float32', [2, 4], memory.subarray(10, 18))
      const { sum } = await session.run({ a, b: a })
      const kept = sum!.toFloat32().slice()
      for (let run = 0; run < 5; run++) await session.run({ a: randomTensor([2, 4]), b: randomTensor([2, 4]) })
      expect(sum!.toFloat32()).toEqual(kept)
      expect(memory).toEqual(new Float32Array(100).map((_, i) => i))
      sum!.toFloat32().fill(0)
      expect((await session.run({ a, b: a })).sum!.toFloat32()).toEqual(kept)
    })

    check('runs requests of several contexts at once, each with its own result', async () => {
      await using session = await open(sumModel(), { contexts: 3 })
      await Promise.all(
        Array.from({ length: 60 }, async (_, i) => {
          const a = new Tensor('float32', [1 + (i % 4), 4], new Float32Array((1 + (i % 4)) * 4).fill(i))
          const { sum } = await session.run({ a, b: a })
          expect(new Set(sum!.toFloat32())).toEqual(new Set([2 * i]))
        }),
      )
    })

    check('rejects a run that fails, and goes on', async () => {
      const table = randomTensor([3, 4])
      await using session = await open(gatherModel(table), { warmup: false })
      const index = (value: bigint) => new Tensor('int64', [], new BigInt64Array([value]))
      await expect(session.run({ index: index(99n) })).rejects.toMatchObject({ code: 'RUN_FAILED' })
      const { row } = await session.run({ index: index(2n) })
      expect(row!.toFloat32()).toEqual(table.rows(2, 3).toFloat32())
    })

    check('loads the same plan several times, side by side', async () => {
      const plan = await compile(sumModel())
      const engines = await Promise.all([1, 2].map(() => create().load(plan, { backendOptions })))
      const a = randomTensor([1, 4])
      for (const engine of engines) {
        await using context = await engine.createContext()
        const { difference } = await context.run({ a, b: a })
        expect([...difference!.toFloat32()]).toEqual([0, 0, 0, 0])
      }
      for (const engine of engines) await engine[Symbol.asyncDispose]()
    })

    check('describes itself', async () => {
      await using engine = await load(sumModel())
      const report = engine.inspect?.()
      expect(report === undefined || report.backend === create().name).toBe(true)
    })

    check('takes a plan from the cache', async () => {
      const backend = create()
      let compiles = 0
      const counted: Backend = {
        ...backend,
        compile: (...args) => {
          compiles++
          return backend.compile(...args)
        },
      }
      const options = {
        backend: counted,
        backendOptions: { [backend.name]: backendOptions },
        cache: { folder: join(await folder, 'cache') },
      }
      for (let start = 0; start < 3; start++) {
        await using session = await createSession(sumModel(), options)
        const a = randomTensor([1, 4])
        expect((await session.run({ a, b: a })).difference!.toFloat32()).toEqual(new Float32Array(4))
      }
      expect(compiles).toBe(backend.planKey ? 1 : 3)
    })

    check('leaves the event loop free while many requests run', async () => {
      await using session = await open(denseModel(randomTensor([512, 512])), { contexts: 2 })
      const x = randomTensor([256, 512])
      let turns = 0
      let running = true
      const count = () => {
        turns++
        if (running) setImmediate(count)
      }
      setImmediate(count)
      await Promise.all(Array.from({ length: 20 }, () => session.run({ x })))
      running = false
      expect(turns).toBeGreaterThan(20)
    })

    it('has exclusions for tests that exist only', () => {
      expect(Object.keys(exclude).filter((title) => !titles.has(title))).toEqual([])
    })
  })
}

/** Every bit pattern that the dtype allows, as far as `count` reaches. */
function sample(dtype: DType, count: number): Tensor {
  const data = allocate(dtype, count)
  for (let i = 0; i < count; i++) {
    const value = dtype === 'bool' ? i % 2 : dtype === 'float16' ? 0x3c00 + i : i * 3
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(value) << 33n
    else data[i] = value
  }
  return new Tensor(dtype, [count], data)
}

let state = 1

/** Uniform in [-1, 1); a linear congruential generator (Numerical Recipes' constants), the same in every run. */
function randomTensor(shape: readonly number[]): Tensor<'float32'> {
  const tensor = Tensor.zeros('float32', shape)
  for (let i = 0; i < tensor.size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    tensor.data[i] = state / 2 ** 31 - 1
  }
  return tensor
}

function dense(x: Tensor, weights: Tensor): number[] {
  const [rows, terms] = x.shape as [number, number]
  const columns = weights.shape[1]!
  const [a, b] = [x.toFloat32(), weights.toFloat32()]
  return Array.from({ length: rows * columns }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns]
    let sum = 0
    for (let k = 0; k < terms; k++) sum += a[row * terms + k]! * b[k * columns + column]!
    return Math.max(0, sum)
  })
}
