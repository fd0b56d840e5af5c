import { createSession, type OptimizationProfile, type SessionOptions, Tensor } from '@lowlat/core'
import { denseModel, simulatorUnavailable, smallModel, testsOnGpu } from '@lowlat/testing'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type StandIn, useStandIn } from './testing/stand-in.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

const SIZE = 64
const RUNS = 60
const weights = new Tensor('float32', [SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(1))
const dense = denseModel(weights)
const rows = (count: number, value: number) =>
  new Tensor('float32', [count, SIZE], new Float32Array(count * SIZE).fill(value))
const profile = (min: number, opt: number, max: number): OptimizationProfile => ({
  x: { min: [min, SIZE], opt: [opt, SIZE], max: [max, SIZE] },
})
/** Four products that do not depend on each other. */
const branches = ['a', 'b', 'c', 'd']
const wide = smallModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', SIZE] }],
  outputs: branches.map((name) => ({ name, dtype: 'float32', shape: ['batch', SIZE] }) as const),
  nodes: branches.flatMap((name) => [
    ['MatMul', ['x', 'weights'], [`${name}_product`]] as const,
    ['Relu', [`${name}_product`], [name]] as const,
  ]),
  initializers: { weights },
})

/** Several runs at once: the stand-in notes what works in the memory, or with the context, of another run. */
describe.skipIf(reason).each([10, 11] as const)(
  `concurrent runs on TensorRT %i, as its stand-in${reason ? ` (${reason})` : ''}`,
  (major) => {
    let standIn: StandIn
    beforeAll(async () => {
      standIn = await useStandIn(major)
    }, 600_000)
    beforeEach(() => standIn.control.reset())
    afterEach(() => {
      standIn.simulator.hold(false)
      expect(standIn.control.violations()).toEqual([])
    })

    const open = (model: Uint8Array, trt: Record<string, unknown>, options: SessionOptions) =>
      createSession(model, {
        backend: standIn.backend(),
        backendOptions: { trt: { timingCache: false, ...trt } },
        cache: false,
        ...options,
      })
    type Session = Awaited<ReturnType<typeof open>>

    /** Of shapes and values of their own, all at once. */
    async function runMany(session: Session, rowsOf: (run: number) => number, names: readonly string[] = ['y']) {
      const results = await Promise.all(
        Array.from({ length: RUNS }, (_, run) => session.run({ x: rows(rowsOf(run), run) })),
      )
      for (const [run, outputs] of results.entries()) {
        for (const name of names) {
          const { data, shape } = outputs[name]!
          expect(shape).toEqual([rowsOf(run), SIZE])
          expect(new Set(data as Float32Array)).toEqual(new Set([run * SIZE]))
        }
      }
    }

    it('use different profiles of one engine at once', async () => {
      const profiles = [profile(1, 2, 4), profile(8, 12, 16), profile(32, 32, 64)]
      await using session = await open(dense, {}, { profiles, contexts: 4 })
      const sizes = [1, 12, 64, 3, 16, 32, 9, 40]
      await runMany(session, (run) => sizes[run % sizes.length]!)
      const { runsOfProfiles } = session.inspect().properties as { runsOfProfiles: number[] }
      expect(runsOfProfiles.map((runs) => runs > 0)).toEqual([true, true, true])
      expect(standIn.control.calls('Builder.buildSerializedNetwork')).toBe(1)
      expect(standIn.control.calls('Runtime.deserializeCudaEngineV2')).toBe(1)
      await expect(session.run({ x: rows(20, 1) })).rejects.toMatchObject({ code: 'SHAPE_OUTSIDE_PROFILE' })
    })

    it('are under way in several contexts at the same time', async () => {
      await using session = await open(dense, { graphs: 0 }, { profiles: [profile(1, 2, 4)], contexts: 3 })
      standIn.control.reset()
      standIn.simulator.hold(true)
      const runs = Array.from({ length: 3 }, (_, run) => session.run({ x: rows(1, run) }))
      await expect.poll(() => standIn.control.calls('ExecutionContext.enqueueV3')).toBe(3)
      standIn.simulator.hold(false)
      expect((await Promise.all(runs)).map(({ y }) => y!.toFloat32()[0])).toEqual([0, SIZE, 2 * SIZE])
    })

    it.each([{ graphs: 0 }, { graphs: 16 }])('take turns where they share device memory: %j', async (trt) => {
      const profiles = [profile(1, 2, 8)]
      await using session = await open(dense, { ...trt, sharedMemory: true }, { profiles, contexts: 3 })
      await runMany(session, (run) => 1 + (run % 8))
      expect(session.inspect().properties).toMatchObject({ memory: { shared: true } })
      standIn.control.reset()
      standIn.simulator.hold(true)
      const runs = Array.from({ length: 3 }, (_, run) => session.run({ x: rows(5, run) }))
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(standIn.control.calls('ExecutionContext.enqueueV3')).toBeLessThanOrEqual(1)
      standIn.simulator.hold(false)
      expect((await Promise.all(runs)).map(({ y }) => y!.toFloat32()[0])).toEqual([0, SIZE, 2 * SIZE])
    })

    it.each([0, 1, 3])('use %i auxiliary streams in each context', async (auxStreams) => {
      await using session = await open(wide, { auxStreams }, { profiles: [profile(1, 2, 8)], contexts: 2 })
      expect(session.inspect().properties).toMatchObject({ auxStreams })
      await runMany(session, (run) => 1 + (run % 3), branches)
      expect(standIn.control.calls('ExecutionContext.setAuxStreams') > 0).toBe(auxStreams > 0)
      expect((session.inspect().properties as { graphs: number[] }).graphs.some((count) => count > 0)).toBe(true)
    })
  },
)
