import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { simulatorUnavailable } from '../cuda-sim/compiler.ts'
import { testsOnGpu } from '../cuda-sim/hardware.ts'
import { isSanitized } from '../cuda-sim/sanitized.ts'
import { buildFakeNvinfer } from './build.ts'
import { NvinferHarness } from './harness.ts'
import { RawNvinfer } from './raw.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

/* Orders of calls that backend-trt's addon never has: that the stand-in would notice them. */
describe.skipIf(reason).each(['10.16.0', '11.1.0'])(
  `objects of the stand-in for TensorRT %s${reason ? ` (${reason})` : ''}`,
  (version) => {
    const major = Number(version.split('.')[0]) as 10 | 11
    const [, minor = 0, patch = 0] = version.split('.').map(Number)
    const versionNumber = major * 10_000 + minor * 100 + patch
    let trt: NvinferHarness
    let raw: RawNvinfer
    beforeAll(async () => {
      trt = await NvinferHarness.build({ major, version })
      const { nvinferPath } = await buildFakeNvinfer({ major, version, sanitize: isSanitized() })
      raw = new RawNvinfer(nvinferPath, versionNumber)
    }, 600_000)
    beforeEach(() => trt.start())

    test('a builder outlives its networks and configurations', () => {
      const builder = raw.builder()
      const network = raw.call('Builder.createNetworkV2', builder, 0)
      const config = raw.call('Builder.createBuilderConfig', builder)
      raw.destroy(config)
      raw.destroy(network)
      raw.destroy(builder)
      expect(trt.control.violations()).toEqual([])
      const early = raw.builder()
      const orphan = raw.call('Builder.createNetworkV2', early, 0)
      raw.destroy(early)
      expect(trt.control.violations()).toEqual(['a builder was destroyed before 1 of its networks and configurations'])
      raw.destroy(orphan)
      expect(trt.control.alive()).toBe(0)
    })

    test('a timing cache outlives the builders that use it', () => {
      const cacheOf = (builder: bigint) => {
        const config = raw.call('Builder.createBuilderConfig', builder)
        const cache = raw.call('BuilderConfig.createTimingCache', config, 0n, 0n)
        expect(raw.call('BuilderConfig.setTimingCache', config, cache, 0) & 1n).toBe(1n)
        raw.destroy(config)
        return cache
      }
      const [builder, other] = [raw.builder(), raw.builder()]
      const [late, early] = [cacheOf(builder), cacheOf(other)]
      raw.destroy(builder)
      raw.destroy(late)
      expect(trt.control.violations()).toEqual([])
      raw.destroy(early)
      expect(trt.control.violations()).toEqual(['a timing cache was destroyed before a builder that uses it'])
      raw.destroy(other)
      expect(trt.control.alive()).toBe(0)
    })

    test('violations and counts last until they are reset', () => {
      const builder = raw.builder()
      const network = raw.call('Builder.createNetworkV2', builder, 0)
      expect([trt.control.alive('Builder'), trt.control.alive('NetworkDefinition')]).toEqual([1, 1])
      raw.destroy(builder)
      raw.destroy(network)
      expect(trt.control.violations()).toHaveLength(1)
      expect(trt.control.callLog()).toEqual({ createInferBuilder_INTERNAL: 1, 'Builder.createNetworkV2': 1 })
      trt.control.reset()
      expect([trt.control.violations(), trt.control.callLog()]).toEqual([[], {}])
    })

    test('functions are left out where asked, and only those', async () => {
      const omitSymbols = ['createInferRuntime_INTERNAL', 'getNvOnnxParserVersion']
      const built = await buildFakeNvinfer({ major, version, omitSymbols, sanitize: isSanitized() })
      const nvinfer = new RawNvinfer(built.nvinferPath, versionNumber)
      const parser = new RawNvinfer(built.onnxParserPath, versionNumber)
      const names = ['createInferRuntime_INTERNAL', 'createInferBuilder_INTERNAL', 'getInferLibVersion']
      expect(names.map((name) => nvinfer.has(name))).toEqual([false, true, true])
      expect(names.map((name) => raw.has(name))).toEqual([true, true, true])
      expect(parser.has('getNvOnnxParserVersion')).toBe(false)
      expect(parser.has('createNvOnnxParser_INTERNAL')).toBe(true)
    })
  },
)
