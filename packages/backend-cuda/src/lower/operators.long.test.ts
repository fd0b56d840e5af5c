import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createBackend as createCpuBackend } from '@lowlat/backend-cpu'
import { openDriver } from '@lowlat/cuda-driver'
import { buildSimulator, simulatorUnavailable, testOperatorCases } from '@lowlat/testing'
import { it } from 'vitest'
import { programBackend } from '../testing/program-backend.ts'

const missing = simulatorUnavailable()
if (missing) it.skip(`the operator cases on programs (${missing})`, () => {})
else {
  const folder = fileURLToPath(new URL('../../kernels/', import.meta.url))
  const kernels = readdirSync(folder).filter((name) => name.endsWith('.cu'))
  const { driverPath, imagePath } = await buildSimulator({ kernels: kernels.map((name) => folder + name) })
  const driver = openDriver({ library: driverPath })
  const context = driver.createContext(driver.devices()[0]!)
  const module = context.loadModule(readFileSync(imagePath))
  const host = createCpuBackend()
  testOperatorCases('programs', { create: () => programBackend({ context, module, host }) })
}
