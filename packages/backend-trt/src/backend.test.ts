import { simulatorUnavailable, testBackend, testsOnGpu } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { type StandIn, useStandIn } from './testing/stand-in.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

const noSuchType = 'TensorRT has no inputs or outputs of this type'

describe.skipIf(reason).each([10, 11] as const)(
  `the TensorRT backend on the stand-in for TensorRT %i${reason ? ` (${reason})` : ''}`,
  (major) => {
    let standIn: StandIn

    beforeAll(async () => {
      standIn = await useStandIn(major)
      standIn.control.reset()
    }, 600_000)

    afterAll(() => {
      const left = ['Builder', 'OnnxParser', 'Runtime', 'CudaEngine', 'ExecutionContext', 'TimingCache']
      expect(left.map((name) => [name, standIn?.control.alive(name) ?? 0])).toEqual(left.map((name) => [name, 0]))
      expect(standIn?.control.violations() ?? []).toEqual([])
      const { faultsFired: _, ...counts } = standIn?.simulator.counts() ?? { faultsFired: 0 }
      expect(Object.entries(counts).filter(([, count]) => count > 0)).toEqual([])
    })

    testBackend(`trt ${major}`, {
      create: () => standIn.backend(),
      backendOptions: { timingCache: false, defaultRange: { min: 1, opt: 8, max: 256 } },
      exclude: {
        'returns float64 as it came': noSuchType,
        'returns int16 as it came': noSuchType,
        'returns uint16 as it came': noSuchType,
        'returns uint32 as it came': noSuchType,
        'returns uint64 as it came': noSuchType,
        'rejects a run that fails, and goes on': 'TensorRT clamps indices of Gather instead of failing',
      },
    })
  },
)
