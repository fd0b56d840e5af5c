import { testBackend, testsOnGpu } from '@lowlat/testing'
import { describe, it } from 'vitest'
import { createBackend } from './backend.ts'
import { trtContract } from './testing/contract.ts'

/** Why NVIDIA's own TensorRT is not tested; undefined where there is one, beside a GPU. */
async function unavailable(): Promise<string | undefined> {
  if (!testsOnGpu()) return 'needs a GPU: LOWLAT_TEST_GPU=1'
  const probe = await createBackend().probe()
  return probe.available ? undefined : probe.reason
}

const reason = await unavailable()

if (reason) it.skip(`the TensorRT backend on TensorRT itself (${reason})`)
else describe('on TensorRT itself', () => testBackend('trt', { create: createBackend, ...trtContract }))
