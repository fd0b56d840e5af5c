import { testBackend } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { cudaBackend, cudaUnavailable, useSimulator } from './testing/simulated-backend.ts'

const reason = cudaUnavailable()

describe.skipIf(reason)(`the CUDA backend${reason ? ` (${reason})` : ''}`, () => {
  let control: Awaited<ReturnType<typeof useSimulator>>

  beforeAll(async () => {
    control = await useSimulator()
  }, 600_000)

  afterAll(() => {
    const { faultsFired: _, ...counts } = control?.counts() ?? { faultsFired: 0 }
    expect(Object.values(counts).every((count) => count === 0)).toBe(true)
  })

  testBackend('cuda', { create: cudaBackend })
})
