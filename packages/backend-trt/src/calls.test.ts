import { createSession, Tensor } from '@lowlat/core'
import { type CudaContext, openDriver } from '@lowlat/cuda-driver'
import { buildFakePlugins, isSanitized, simulatorUnavailable, smallModel, sumModel, testsOnGpu } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BuildResult } from './native.ts'
import { type StandIn, useStandIn } from './testing/stand-in.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

const range = { min: [1, 4], opt: [2, 4], max: [8, 4] }
const profile = { a: range, b: range }

/** What the documentation promises call by call, as TensorRT names it. */
const promised = `
  Builder.createNetworkV2 Builder.createBuilderConfig Builder.createOptimizationProfile Builder.buildSerializedNetwork
  OnnxParser.parse BuilderConfig.setFlags BuilderConfig.setMemoryPoolLimit BuilderConfig.setBuilderOptimizationLevel
  BuilderConfig.setMaxAuxStreams BuilderConfig.setTacticSources BuilderConfig.setPreviewFeature
  BuilderConfig.setTilingOptimizationLevel BuilderConfig.setAvgTimingIterations BuilderConfig.setRuntimePlatform
  BuilderConfig.setHardwareCompatibilityLevel BuilderConfig.setProfilingVerbosity BuilderConfig.setProgressMonitor
  BuilderConfig.addOptimizationProfile OptimizationProfile.setDimensions
  BuilderConfig.createTimingCache BuilderConfig.setTimingCache TimingCache.serialize
  Runtime.deserializeCudaEngine CudaEngine.setWeightStreamingBudgetV2 CudaEngine.createExecutionContext
  CudaEngine.createSerializationConfig CudaEngine.serializeWithConfig
  ExecutionContext.setOptimizationProfileAsync ExecutionContext.setInputShape ExecutionContext.inferShapes
  ExecutionContext.getTensorShape ExecutionContext.getTensorStrides ExecutionContext.getMaxOutputSize
  ExecutionContext.setTensorAddress ExecutionContext.setDeviceMemoryV2 ExecutionContext.updateDeviceMemorySizeForShapes
  ExecutionContext.setAuxStreams ExecutionContext.setPersistentCacheLimit ExecutionContext.setInputConsumedEvent
  ExecutionContext.setNvtxVerbosity ExecutionContext.enqueueV3 ExecutionContext.setEnqueueEmitsProfile
  ExecutionContext.setProfiler ExecutionContext.reportToProfiler EngineInspector.getEngineInformation
  EngineInspector.getLayerInformation`
  .trim()
  .split(/\s+/)

describe.skipIf(reason).each([10, 11] as const)(
  `TensorRT %i call by call, as its stand-in${reason ? ` (${reason})` : ''}`,
  (major) => {
    let standIn: StandIn
    let cuda: CudaContext

    beforeAll(async () => {
      standIn = await useStandIn(major)
      standIn.control.reset()
      const driver = openDriver()
      cuda = driver.createContext(driver.device(0))
    }, 600_000)
    afterAll(() => {
      cuda?.dispose()
      expect(standIn?.control.violations() ?? []).toEqual([])
    })

    const build = (flags: readonly string[]): Promise<BuildResult> =>
      standIn.tensorRt.build(
        { bytes: sumModel() },
        {
          cuda,
          flags,
          profiles: [profile],
          memoryPools: { WORKSPACE: 2 ** 20 },
          optimizationLevel: 2,
          maxAuxStreams: 1,
          avgTimingIterations: 2,
          hardwareCompatibility: 'AMPERE_PLUS',
          profilingVerbosity: 'DETAILED',
          previewFeatures: { ALIASED_PLUGIN_IO_10_03: true },
          tacticSources: ['JIT_CONVOLUTIONS'],
          tilingOptimizationLevel: 'MODERATE',
          runtimePlatform: 'SAME_AS_BUILD',
          useTimingCache: true,
        },
      )

    it('runs on streams and memory that it is given, and as a CUDA graph', async () => {
      const { plan } = await build(['REFIT'])
      await using engine = await standIn.tensorRt.deserialize(plan, { cuda })
      expect((await engine.serialize(['EXCLUDE_WEIGHTS'])).byteLength).toBeGreaterThan(0)
      expect([engine.auxStreams, engine.hardwareCompatibility]).toEqual([1, 'AMPERE_PLUS'])
      using stream = cuda.createStream()
      using auxiliary = cuda.createStream()
      using consumed = cuda.createEvent()
      await using context = await engine.createContext({ memory: 'user' })
      context.setProfile(0, stream)
      context.setAuxStreams([auxiliary])
      context.setPersistentCacheLimit(0)
      context.setInputConsumedEvent(consumed)
      context.setNvtxVerbosity('NONE')
      for (const name of ['a', 'b']) context.setInputShape(name, [2, 4])
      expect(context.inferShapes()).toEqual([])
      expect([context.stridesOf('sum'), context.maxOutputBytes('sum')]).toEqual([[4, 1], 32])
      using scratch = cuda.allocate(Math.max(256, context.memoryForShapes()))
      context.setDeviceMemory(scratch.address, scratch.sizeBytes)
      using tensors = cuda.allocate(4 * 256)
      const names = ['a', 'b', 'sum', 'difference']
      for (const [index, name] of names.entries()) context.setAddress(name, tensors.address + 256 * index)
      const write = (...values: number[]) => {
        for (const [index, value] of values.entries()) {
          tensors.write(new Uint8Array(new Float32Array(8).fill(value).buffer), 256 * index)
        }
      }
      const read = () => [2, 3].map((index) => [...new Float32Array(tensors.read(256 * index, 32).slice().buffer)])
      const eight = (value: number) => Array(8).fill(value)
      write(5, 3)
      await context.enqueueInThread(stream)
      stream.synchronize()
      expect(read()).toEqual([eight(8), eight(2)])
      using graph = stream.capture(() => context.enqueue(stream))
      using executable = graph.instantiate()
      write(1, 4)
      executable.launch(stream)
      stream.synchronize()
      expect(read()).toEqual([eight(5), eight(-3)])
      context.setProfiling(true)
      context.enqueue(stream)
      stream.synchronize()
      expect(context.reportProfile()).toHaveLength(engine.layerCount)
      expect(JSON.parse(context.inspect())).toBeTypeOf('object')
      expect(engine.inspectLayer(0, 'oneline')).not.toBe('')
    })

    it('keeps weights on the host, within a budget', async () => {
      const { plan } = await build(['WEIGHT_STREAMING'])
      await using engine = await standIn.tensorRt.deserialize(plan, { cuda })
      engine.setWeightStreamingBudget(0)
      expect(engine.weightStreaming().budgetBytes).toBe(0)
      await using context = await engine.createContext({ memory: 'on-profile-change' })
      expect(() => engine.setWeightStreamingBudget(0)).toThrow(expect.objectContaining({ code: 'RUN_FAILED' }))
      expect(context.shapeOf('sum')).toHaveLength(2)
    })

    it('makes every call that the documentation names', () => {
      const calls = standIn.control.callLog()
      expect(promised.filter((name) => !calls[name])).toEqual([])
    })

    it('runs operators of plugin libraries, also from within the plan', async () => {
      const model = smallModel({
        inputs: [{ name: 'x', dtype: 'float32', shape: [2] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: [2] }],
        nodes: [['TwiceAsPlugin', ['x'], ['y']]],
      })
      const plugins = [await buildFakePlugins({ sanitize: isSanitized() })]
      for (const trt of [{ plugins }, { plugins, embedPlugins: true, versionCompatible: true }]) {
        const backendOptions = { trt: { timingCache: false, ...trt } }
        await using session = await createSession(model, { backend: standIn.backend(), backendOptions, cache: false })
        const { y } = await session.run({ x: new Tensor('float32', [2], Float32Array.of(3, 4)) })
        expect([...y!.toFloat32()]).toEqual([6, 8])
      }
      expect(standIn.control.calls('BuilderConfig.setPluginsToSerialize')).toBeGreaterThan(0)
    })
  },
)
