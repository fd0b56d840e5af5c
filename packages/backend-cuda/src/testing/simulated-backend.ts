import { createBackend as createCpuBackend } from '@lowlat/backend-cpu'
import type { Backend } from '@lowlat/core'
import { openDriver } from '@lowlat/cuda-driver'
import { SimulatorControl, simulatorUnavailable, testsOnGpu } from '@lowlat/testing'
import { createBackend } from '../backend.ts'
import { buildKernels } from './load-kernels.ts'

/** Why the CUDA backend cannot be tested here; undefined where it can. */
export const cudaUnavailable = simulatorUnavailable

/**
 * Lets the CUDA backend of this process run on the simulator, with all kernels; on a GPU where the tests run on one.
 * @returns what controls the simulator; undefined on a GPU.
 */
export async function useSimulator(): Promise<SimulatorControl | undefined> {
  if (testsOnGpu()) return undefined
  const { driverPath, imagePath } = await buildKernels()
  process.env.LOWLAT_CUDA_DRIVER_LIB = driverPath
  process.env.LOWLAT_CUDA_KERNELS = imagePath
  openDriver() // before the control uses koffi, whose settings are fixed then
  return new SimulatorControl(driverPath)
}

/** The backend, with the CPU backend for what has no kernel. */
export const cudaBackend = (): Backend => createBackend({ host: createCpuBackend() })
