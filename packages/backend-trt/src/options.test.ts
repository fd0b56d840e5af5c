import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseTrtOptions, plannedOptions } from './options.ts'

describe('the options of the TensorRT backend', () => {
  it('have defaults', () => {
    const options = parseTrtOptions({ device: undefined })
    expect(options).toMatchObject({
      device: 0,
      stronglyTyped: true,
      graphs: 16,
      defaultRange: { min: 1, opt: 1, max: 16 },
    })
    expect(options.workspaceMB).toBeUndefined()
  })

  it.each([
    [{ noSuchOption: 1 }, /noSuchOption/],
    [{ device: -1 }, /device/],
    [{ optimizationLevel: 6 }, /from 0 to 5/],
    [{ defaultRange: { min: 4, opt: 2, max: 8 } }, /min <= opt <= max/],
    [{ defaultRange: { min: 1, max: 8 } }, /min <= opt <= max/],
    [{ axisRanges: { height: 5 } }, /by the name of an axis/],
    [{ shapeValues: { size: { min: [1], opt: [2, 3], max: [4] } } }, /by the name of an input/],
    [{ memoryPools: { TACTIC_DRAM: 1.5 } }, /bytes/],
    [{ memoryPools: { WORKSPACE: 1024 } }, /workspaceMB/],
    [{ workspaceMB: 2 ** 45 }, /workspaceMB/],
    [{ hardwareCompatibility: 'turing' }, /'ampere-plus'/],
    [{ timingCache: true }, /false/],
    [{ plugins: 'libplugin.so' }, /list/],
    [{ onBuild: 'log' }, /function/],
    [{ builderFlags: ['FP16'] }, /strongly typed/],
    [{ plugins: ['libplugin.so'], embedPlugins: true }, /versionCompatible: true/],
    [{ builderFlags: ['SPARSE_WEIGHTS', 'STRIP_PLAN'] }, /got STRIP_PLAN.*stripPlan: true/],
    [{ builderFlags: ['VERSION_COMPATIBLE'] }, /versionCompatible: true/],
    [{ builderFlags: ['WEIGHT_STREAMING'] }, /weightStreamingMB/],
    [{ refit: 'individual' }, /refitWeights/],
    [{ refit: 'all', refitWeights: ['w'] }, /refitWeights/],
  ])('refuse %j', (options, message) => {
    expect(() => parseTrtOptions(options)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    )
  })

  it('name plugins by absolute paths, or as the system looks for them', () => {
    const { plugins } = parseTrtOptions({ plugins: ['./mine.so', '/opt/other.so', 'libplain.so'] })
    expect(plugins).toEqual([resolve('mine.so'), '/opt/other.so', 'libplain.so'])
  })

  it('leave the choice of types to TensorRT 10 where asked', () => {
    const { builderFlags } = parseTrtOptions({ stronglyTyped: false, builderFlags: ['BF16', 'FP8'] })
    expect(builderFlags).toEqual(['BF16', 'FP8'])
  })

  it('are part of a plan only as far as it depends on them', () => {
    const planned = (options: object) => JSON.stringify(plannedOptions(parseTrtOptions({ ...options })))
    const other = { device: 1, graphs: 3, sharedMemory: true, timingCache: false, onBuild() {}, onLog() {} }
    expect(planned(other)).toBe(planned({}))
    expect(planned({ workspaceMB: 64 })).not.toBe(planned({}))
    expect(planned({ weightStreamingMB: 0 })).not.toBe(planned({}))
    expect(planned({ weightStreamingMB: 0 })).toBe(planned({ weightStreamingMB: 64 }))
  })
})
