import { createBackend as createCpuBackend } from '@lowlat/backend-cpu'
import { simulatorUnavailable, testOperatorCases } from '@lowlat/testing'
import { it } from 'vitest'
import { loadKernels } from '../testing/load-kernels.ts'
import { programBackend } from '../testing/program-backend.ts'

const missing = simulatorUnavailable()
if (missing) it.skip(`the operator cases on programs (${missing})`, () => {})
else {
  const kernels = await loadKernels()
  const host = createCpuBackend()
  testOperatorCases('programs', { create: () => programBackend({ ...kernels, host }) })
}
