import { createBackend as createCpuBackend } from '@lowlat/backend-cpu'
import { simulatorUnavailable, testOperatorCases } from '@lowlat/testing'
import { it } from 'vitest'
import { programBackend } from '../testing/program-backend.ts'
import { simulatedKernels } from '../testing/simulated-kernels.ts'

const missing = simulatorUnavailable()
if (missing) it.skip(`the operator cases on programs (${missing})`, () => {})
else {
  const kernels = await simulatedKernels()
  const host = createCpuBackend()
  testOperatorCases('programs', { create: () => programBackend({ ...kernels, host }) })
}
