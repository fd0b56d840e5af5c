import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildSimulator, SimulatorControl, simulatorUnavailable, testsOnGpu } from '@lowlat/testing'
import type { CudaContext } from '../context.ts'
import { CudaDriver } from '../driver.ts'

/** Why tests that need the simulator cannot run; undefined where they can. */
export const noSimulator = (): string | undefined =>
  testsOnGpu() ? 'needs the simulator, not a GPU' : simulatorUnavailable()

export interface Simulator {
  readonly driverPath: string
  readonly image: Uint8Array
  readonly control: SimulatorControl
}

export async function openSimulator(): Promise<Simulator> {
  const kernels = [fileURLToPath(new URL('./kernels.cu', import.meta.url))]
  const { driverPath, imagePath } = await buildSimulator({ kernels })
  new CudaDriver(driverPath, 0) // before others use koffi, whose settings are fixed then
  return { driverPath, image: readFileSync(imagePath), control: new SimulatorControl(driverPath) }
}

export function openContext({ driverPath }: Simulator): CudaContext {
  const driver = new CudaDriver(driverPath, 0) // anew, as in a fresh process
  return driver.createContext(driver.devices()[0]!)
}

/** The parameters of a kernel: addresses as numbers of 8 bytes, then numbers of 4 bytes. */
export function parameters(addresses: readonly number[], count?: number, factor?: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(addresses.length * 8 + (count === undefined ? 0 : 8)))
  for (const [index, address] of addresses.entries()) view.setBigUint64(index * 8, BigInt(address), true)
  if (count !== undefined) view.setInt32(addresses.length * 8, count, true)
  if (factor !== undefined) view.setFloat32(addresses.length * 8 + 4, factor, true)
  return new Uint8Array(view.buffer)
}
