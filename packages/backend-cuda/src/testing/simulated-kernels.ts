import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type CudaContext, type CudaModule, openDriver } from '@lowlat/cuda-driver'
import { buildSimulator } from '@lowlat/testing'

/** All kernels of the package, loaded into the simulator or a GPU. */
export async function simulatedKernels(): Promise<{ context: CudaContext; module: CudaModule }> {
  const folder = fileURLToPath(new URL('../../kernels/', import.meta.url))
  const kernels = readdirSync(folder).filter((name) => name.endsWith('.cu'))
  const { driverPath, imagePath } = await buildSimulator({ kernels: kernels.map((name) => folder + name) })
  const driver = openDriver({ library: driverPath })
  const context = driver.createContext(driver.devices()[0]!)
  return { context, module: context.loadModule(readFileSync(imagePath)) }
}
