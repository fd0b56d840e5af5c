import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Backend, createSession, isLowlatError, type Plan, type SessionOptions, Tensor } from '@lowlat/core'
import {
  buildFakeNvinfer,
  denseModel,
  isSanitized,
  nvinferErrors,
  simulatorUnavailable,
  sumModel,
  testsOnGpu,
  unknownOperatorModel,
} from '@lowlat/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { backendOver } from './backend.ts'
import type { PlanMetadata } from './plan-facts.ts'
import { openTensorRt } from './tensorrt/open.ts'
import { failingCalls } from './testing/failing-calls.ts'
import { buildOtherMajor } from './testing/other-major.ts'
import { type StandIn, useStandIn } from './testing/stand-in.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

/** How often everything goes wrong. */
const TIMES = 100
const CUDA_OUT_OF_MEMORY = 2

const times = Array.from({ length: TIMES }, (_, time) => time)
const row = (value: number) => new Tensor('float32', [2, 4], new Float32Array(8).fill(value))
const feeds = { a: row(5), b: row(3) }
/** A plan of several kilobytes. */
const kilobytes = denseModel(new Tensor('float32', [64, 64], new Float32Array(64 * 64).fill(0.5)))

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

describe.skipIf(reason).each([10, 11] as const)(
  `what goes wrong with TensorRT %i, ${TIMES} times each${reason ? ` (${reason})` : ''}`,
  (major) => {
    let standIn: StandIn
    const folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-faults-'))

    beforeAll(async () => {
      standIn = await useStandIn(major)
    }, 600_000)
    beforeEach(() => standIn.control.reset())
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    /** Nothing is left, neither of TensorRT's objects nor on the device, and the process goes on. */
    afterEach(async () => {
      const { control, simulator } = standIn
      simulator.clearFaults()
      simulator.setMemoryLimit(2 ** 34)
      control.hold(false)
      control.setGpuName('')
      const left = () => {
        collect() // plans are freed when JavaScript collects them
        const { faultsFired: _, ...counts } = simulator.counts()
        const onDevice = Object.entries(counts).filter(([, count]) => count > 0)
        return { alive: control.alive(), onDevice }
      }
      await expect.poll(left, { timeout: 20_000 }).toEqual({ alive: 0, onDevice: [] })
      expect(control.violations()).toEqual([])
      expect(await outcomeOf(run(standIn.backend()))).toBe('worked')
    })

    const open = (backend: Backend, model: Uint8Array, trt: Record<string, unknown>, options: SessionOptions = {}) =>
      createSession(model, {
        backend,
        backendOptions: { trt: { timingCache: false, ...trt } },
        cache: false,
        ...options,
      })

    /** A session from its start to its end, with a run that is checked. */
    async function run(backend: Backend, model = sumModel(), options: SessionOptions = {}): Promise<void> {
      await using session = await open(backend, model, {}, { contexts: 1, ...options })
      const { sum } = await session.run(feeds)
      expect(sum!.data).toEqual(row(8).data)
    }

    /** The code of a typed error; whatever else comes is thrown. */
    async function outcomeOf(promise: Promise<unknown>): Promise<string> {
      try {
        await promise
        return 'worked'
      } catch (error) {
        if (isLowlatError(error)) return error.code
        throw error
      }
    }

    const backendOf = (nvinfer: string, onnxParser = nvinfer): Backend =>
      backendOver(() => openTensorRt({ nvinfer: [nvinfer], onnxParser: [onnxParser], plugin: [nvinfer] }))

    it.each(['9.3.0', '12.0.0', '8.6.1'])('refuses TensorRT %s by its name', async (version) => {
      const backend = backendOf(await buildOtherMajor(version))
      for (const _ of times) {
        expect(await backend.probe()).toMatchObject({ available: false, reason: expect.stringContaining(version) })
        await expect(run(backend)).rejects.toMatchObject({
          code: 'BACKEND_UNAVAILABLE',
          message: expect.stringContaining(version),
        })
      }
    })

    it.each([
      'getInferLibVersion',
      'createInferBuilder_INTERNAL',
      'createInferRuntime_INTERNAL',
      'createNvOnnxParser_INTERNAL',
      'getNvOnnxParserVersion',
    ])('names the function %s where a library lacks it', async (symbol) => {
      const built = await buildFakeNvinfer({ major, omitSymbols: [symbol], sanitize: isSanitized() })
      const backend = backendOf(built.nvinferPath, built.onnxParserPath)
      for (const _ of times) {
        await expect(run(backend)).rejects.toMatchObject({
          code: 'BACKEND_UNAVAILABLE',
          message: expect.stringContaining(symbol),
        })
      }
    })

    describe('with plans', () => {
      const backendOptions = { timingCache: false }

      async function compile(backend: Backend, model = kilobytes): Promise<{ plan: Plan; bytes: Uint8Array }> {
        const workFolder = mkdtempSync(join(folder, 'work-'))
        const source = { kind: 'bytes', bytes: model } as const
        const plan = await backend.compile(source, { precision: 'model', profiles: [], backendOptions, workFolder })
        return { plan, bytes: new Uint8Array(readFileSync((plan.payload as { path: string }).path)) }
      }
      const load = (plan: Plan, bytes: Uint8Array, metadata: Partial<PlanMetadata> = {}) => {
        const payload = { kind: 'bytes', bytes } as const
        const whole = { ...plan, metadata: { ...plan.metadata, planBytes: bytes.byteLength, ...metadata }, payload }
        return outcomeOf(
          standIn
            .backend()
            .load(whole, { backendOptions })
            .then((engine) => engine[Symbol.asyncDispose]()),
        )
      }
      const factsOf = (plan: Plan) => (plan.metadata as unknown as PlanMetadata).facts

      it('refuses those of another version, by what they say and by what they are', async () => {
        const version = { 10: '10.8.0', 11: '11.0.0' }[major]
        const { nvinferPath, onnxParserPath } = await buildFakeNvinfer({ major, version, sanitize: isSanitized() })
        const other = await compile(backendOf(nvinferPath, onnxParserPath))
        const own = await compile(standIn.backend())
        for (const _ of times) {
          expect(await load(other.plan, other.bytes)).toBe('PLAN_STALE')
          expect(await load(own.plan, other.bytes)).toBe('PLAN_INVALID')
        }
        expect(await load(own.plan, own.bytes)).toBe('worked')
      })

      it('refuses those of another GPU, by what they say and by what they are', async () => {
        const { plan, bytes } = await compile(standIn.backend())
        const facts = { ...factsOf(plan), gpu: { ...factsOf(plan).gpu, name: 'NVIDIA Other' } }
        for (const _ of times) {
          expect(await load(plan, bytes, { facts })).toBe('PLAN_STALE')
          standIn.control.setGpuName('NVIDIA Other')
          expect(await load(plan, bytes)).toBe('PLAN_INVALID')
          standIn.control.setGpuName('')
        }
        expect(await load(plan, bytes)).toBe('worked')
      })

      it('refuses those that are cut at any kilobyte, in memory and in a file', async () => {
        const { plan, bytes } = await compile(standIn.backend())
        expect(bytes.byteLength).toBeGreaterThan(16 * 1024)
        const path = join(folder, 'cut.plan')
        for (const _ of times) {
          writeFileSync(path, bytes)
          for (let size = Math.floor((bytes.byteLength - 1) / 1024) * 1024; size >= 0; size -= 1024) {
            expect(await load(plan, bytes.subarray(0, size))).toBe('PLAN_INVALID')
            truncateSync(path, size)
            const metadata = { ...plan.metadata, planBytes: size }
            const cut: Plan = { ...plan, metadata, payload: { kind: 'file', path } }
            expect(await outcomeOf(standIn.backend().load(cut, { backendOptions }))).toBe('PLAN_INVALID')
          }
        }
        expect(await load(plan, bytes)).toBe('worked')
      })
    })

    it('refuses models with operators that the parser does not know, and those that it fails at', async () => {
      const { control } = standIn
      for (const _ of times) {
        await expect(run(standIn.backend(), unknownOperatorModel())).rejects.toMatchObject({
          code: 'MODEL_UNSUPPORTED',
          details: {
            errors: [expect.objectContaining({ code: expect.any(String), nodeOperator: expect.any(String) })],
          },
        })
        control.failCall({ name: 'OnnxParser.parse', code: nvinferErrors.unspecified })
        expect(await outcomeOf(run(standIn.backend()))).toBe('MODEL_UNSUPPORTED')
      }
      expect(control.faultsFired).toBe(TIMES)
    })

    it.each(failingCalls)('gives a typed error where %s fails, and where it lacks memory', async (name, code) => {
      const { control } = standIn
      for (const _ of times) {
        control.failCall({ name })
        expect(await outcomeOf(run(standIn.backend()))).toBe(code)
        control.failCall({ name, code: nvinferErrors.outOfMemory })
        expect(['OUT_OF_MEMORY', code]).toContain(await outcomeOf(run(standIn.backend())))
      }
      expect(control.faultsFired).toBe(2 * TIMES)
    })

    it('cancels builds at any moment', async () => {
      const { control } = standIn
      control.setBuild({ steps: 50, stepMs: 0.5, noiseThreads: 2 })
      for (const time of times) {
        const atEvent = new AbortController()
        let events = 0
        const onBuild = () => {
          if (events++ === time % 40) atEvent.abort()
        }
        const trt = { onBuild, logSeverity: 'verbose' }
        const options = { signal: atEvent.signal }
        expect(await outcomeOf(open(standIn.backend(), sumModel(), trt, options))).toBe('ABORTED')
        // A build of 25 ms, and its parsing before.
        const signal = AbortSignal.timeout(time % 20)
        expect(await outcomeOf(open(standIn.backend(), sumModel(), {}, { signal }))).toBe('ABORTED')
      }
      // Promises settle at once, TensorRT between two steps.
      await expect.poll(() => control.alive('Builder')).toBe(0)
      expect(control.calls('Runtime.deserializeCudaEngine')).toBe(0)
    })

    it('fails where the device has too little memory, however little that is', async () => {
      const { simulator } = standIn
      const within = (limitBytes: number) => {
        simulator.setMemoryLimit(limitBytes)
        return outcomeOf(run(standIn.backend()))
      }
      let enough = 0
      while ((await within(enough)) !== 'worked') enough += 256
      for (const time of times) expect(await within(Math.floor((enough - 256) * (time / TIMES)))).toBe('OUT_OF_MEMORY')
      expect(await within(enough)).toBe('worked')
    })

    it.each(['cuMemAlloc_v2', 'cuMemHostAlloc'])('fails where any %s lacks memory', async (name) => {
      const { simulator } = standIn
      const outcomes: string[] = []
      for (const time of times) {
        simulator.failCall({ name, nth: 1 + (time % 8), result: CUDA_OUT_OF_MEMORY })
        outcomes.push(await outcomeOf(run(standIn.backend())))
        simulator.clearFaults()
      }
      expect(outcomes.filter((outcome) => outcome === 'OUT_OF_MEMORY').length).toBeGreaterThanOrEqual(TIMES / 8)
      expect(outcomes.filter((outcome) => outcome !== 'OUT_OF_MEMORY' && outcome !== 'worked')).toEqual([])
    })

    it('goes on with a session whose runs fail', async () => {
      const { control } = standIn
      await using session = await open(standIn.backend(), sumModel(), { graphs: 0 }, { contexts: 2 })
      for (const _ of times) {
        control.failCall({ name: 'ExecutionContext.enqueueV3', code: nvinferErrors.failedExecution })
        expect(await outcomeOf(session.run(feeds))).toBe('RUN_FAILED')
        expect((await session.run(feeds)).sum!.data).toEqual(row(8).data)
      }
      expect(control.faultsFired).toBe(TIMES)
    })
  },
)
