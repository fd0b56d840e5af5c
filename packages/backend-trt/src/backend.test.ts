import { simulatorUnavailable, testBackend, testsOnGpu } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { trtContract } from './testing/contract.ts'
import { type StandIn, useStandIn } from './testing/stand-in.ts'

const reason = testsOnGpu() ? 'tests the stand-in, not TensorRT' : simulatorUnavailable()

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
      ...trtContract,
    })
  },
)
