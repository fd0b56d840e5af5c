import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isLowlatError, type Plan, Tensor } from '@lowlat/core'
import { CudaDriver } from '@lowlat/cuda-driver'
import { denseModel, type SimulatorControl, testsOnGpu } from '@lowlat/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cudaBackend, cudaUnavailable, useSimulator } from '../testing/simulated-backend.ts'
import { planOf } from '../testing/work-plan.ts'

const reason = testsOnGpu() ? 'needs the simulator, not a GPU' : cudaUnavailable()

const weights = new Tensor(
  'float32',
  [8, 8],
  Float32Array.from({ length: 64 }, (_, i) => (i % 7) - 3),
)

describe.skipIf(reason)(`driver calls that fail${reason ? ` (${reason})` : ''}`, () => {
  let control: SimulatorControl
  let folder: string
  let plan: Plan

  beforeAll(async () => {
    control = (await useSimulator())!
    folder = await mkdtemp(join(tmpdir(), 'lowlat-cuda-faults-'))
    plan = await planOf(cudaBackend(), denseModel(weights), folder)
  }, 600_000)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  beforeEach(restart)

  /** As after the start of a process. */
  function restart() {
    control.reset()
    new CudaDriver(process.env.LOWLAT_CUDA_DRIVER_LIB!, 0)
  }

  /** Everything that a session does: loading, contexts, new and known shapes, replaced memory, profiling, the end. */
  async function useEngine() {
    await using engine = await cudaBackend().load(plan, { backendOptions: { graphs: 2 } })
    await using first = await engine.createContext()
    await using second = await engine.createContext()
    for (const rows of [1, 3, 1, 40]) {
      const x = new Tensor('float32', [rows, 8], new Float32Array(rows * 8).fill(1))
      for (const context of [first, second]) {
        const { y } = await context.run({ x })
        expect(y!.shape).toEqual([rows, 8])
        expect(y!.toFloat32()[0]).toBeGreaterThanOrEqual(0)
      }
    }
    await first.profile?.({ x: Tensor.zeros('float32', [1, 8]) }, 1)
  }

  /** Objects that exist, without what tests caused. */
  const left = () => {
    const { faultsFired: _, leaked: __, ...counts } = control.counts()
    return Object.entries(counts).filter(([, count]) => count > 0)
  }

  it.each([
    ['an invalid value', 1, 'RUN_FAILED'],
    ['out of memory', 2, 'OUT_OF_MEMORY'],
    ['a lost device', 719, 'DEVICE_LOST'],
  ])(
    'with %s give a typed error and leave nothing behind, whichever call it is',
    async (_, result, code) => {
      control.resetCalls()
      await useEngine()
      const calls = control.calls()
      expect(calls).toBeGreaterThan(200)
      const codes = new Set<string>()
      for (let nth = 1; nth <= calls; nth++) {
        control.failCall({ nth, result })
        const error = await useEngine().then(
          () => undefined,
          (thrown: unknown) => thrown,
        )
        control.clearFaults()
        // The names of errors are asked for with calls of their own, which may fail without consequence.
        if (error !== undefined) codes.add(codeOf(error, nth))
        expect([nth, left()]).toEqual([nth, []])
      }
      expect(codes.has(code)).toBe(true)
      await useEngine()
      expect(left()).toEqual([])
    },
    120_000,
  )

  /** What `await using` threw: where disposing failed as well, the first error is inside. */
  function codeOf(error: unknown, nth: number): string {
    let first = error
    while (first instanceof Error && 'suppressed' in first) first = first.suppressed
    if (first instanceof AggregateError) first = first.errors[0]
    if (!isLowlatError(first)) throw new Error(`call ${nth} gave no typed error`, { cause: error })
    return first.code
  }

  it('for want of memory leave the engine and its other contexts working', async () => {
    await using engine = await cudaBackend().load(plan, { backendOptions: {} })
    await using context = await engine.createContext()
    const x = (rows: number) => new Tensor('float32', [rows, 8], new Float32Array(rows * 8).fill(1))
    await context.run({ x: x(2) })
    control.setMemoryLimit(control.counts().deviceBytes + 100)
    await expect(engine.createContext()).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    await expect(context.run({ x: x(5000) })).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    expect((await context.run({ x: x(2) })).y!.shape).toEqual([2, 8])
    control.setMemoryLimit(2 ** 30)
    expect((await context.run({ x: x(5000) })).y!.shape).toEqual([5000, 8])
  })

  it('for want of memory at load leave nothing', async () => {
    control.setMemoryLimit(100)
    await expect(cudaBackend().load(plan, { backendOptions: {} })).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    expect(left()).toEqual([])
  })

  it('because the device is lost fail every run, without hanging, until there is a device again', async () => {
    const engine = await cudaBackend().load(plan, { backendOptions: {} })
    const context = await engine.createContext()
    const x = Tensor.zeros('float32', [1, 8])
    await context.run({ x })
    control.loseDevice(719)
    for (let run = 0; run < 3; run++) await expect(context.run({ x })).rejects.toMatchObject({ code: 'DEVICE_LOST' })
    await context[Symbol.asyncDispose]()
    await engine[Symbol.asyncDispose]()
    restart()
    await useEngine()
  })
})
