import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type CudaContext, type CudaModule, openDriver } from '@lowlat/cuda-driver'
import { type BuiltSimulator, buildSimulator, isSanitized } from '@lowlat/testing'

export interface LoadedKernels {
  readonly driverPath: string
  readonly context: CudaContext
  readonly module: CudaModule
}

const folder = fileURLToPath(new URL('../../kernels/', import.meta.url))
const allKernels = () => readdirSync(folder).filter((name) => name.endsWith('.cu'))

/**
 * Builds the simulator; on a GPU its driver and all compiled kernels serve.
 * @param names files of `kernels/`; all of them if absent.
 */
export function buildKernels(names: readonly string[] = allKernels()): Promise<BuiltSimulator> {
  return buildSimulator({ kernels: names.map((name) => folder + name), sanitize: isSanitized() })
}

/** Kernels, loaded into the simulator or a GPU. @param names as of {@link buildKernels}. */
export async function loadKernels(names?: readonly string[]): Promise<LoadedKernels> {
  const { driverPath, imagePath } = await buildKernels(names)
  const driver = openDriver({ library: driverPath })
  const context = driver.createContext(driver.devices()[0]!)
  return { driverPath, context, module: context.loadModule(readFileSync(imagePath)) }
}
