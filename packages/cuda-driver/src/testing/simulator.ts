import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildSimulator, SimulatorControl, simulatorUnavailable, testsOnGpu } from '@lowlat/testing'
import { afterEach, beforeAll, beforeEach, expect } from 'vitest'
import type { CudaContext } from '../context.ts'
import { CudaDriver } from '../driver.ts'

/** Why tests that need the simulator cannot run; undefined where they can. */
export const noSimulator = (): string | undefined =>
  testsOnGpu() ? 'needs the simulator, not a GPU' : simulatorUnavailable()

/** Why tests that run on the simulator, or on a GPU where there is one, cannot run. */
export const noDriver = simulatorUnavailable

interface TestDriver {
  readonly driverPath: string
  /** Kernels: of this package on the simulator, of the CUDA backend on a GPU. Both have `signal`. */
  readonly image: Uint8Array
  /** Undefined on a GPU. */
  readonly control: SimulatorControl | undefined
}

async function prepareDriver(): Promise<TestDriver> {
  const kernels = [fileURLToPath(new URL('./kernels.cu', import.meta.url))]
  const { driverPath, imagePath } = await buildSimulator({ kernels })
  new CudaDriver(driverPath, 0) // before others use koffi, whose settings are fixed then
  const control = testsOnGpu() ? undefined : new SimulatorControl(driverPath)
  return { driverPath, image: readFileSync(imagePath), control }
}

function openContext({ driverPath }: TestDriver): CudaContext {
  const driver = new CudaDriver(driverPath, 0) // anew, as in a fresh process
  return driver.createContext(driver.devices()[0]!)
}

/** For the tests of a `describe`: the driver, with a context for each test, which has to leave nothing in it. */
export function useDriver(): TestDriver & { readonly context: CudaContext } {
  const current = {} as TestDriver & { context: CudaContext }
  beforeAll(async () => {
    Object.assign(current, await prepareDriver())
  }, 300_000)
  beforeEach(() => {
    current.context = openContext(current)
  })
  afterEach(() => {
    const { context, control } = current
    expect(Object.entries(context.counts).filter(([, count]) => count !== 0)).toEqual([])
    if (!context.lost) context.dispose()
    control?.reset()
  })
  return current
}

/** The parameters of a kernel: addresses as numbers of 8 bytes, then numbers of 4 bytes. */
export function parameters(addresses: readonly number[], count?: number, factor?: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(addresses.length * 8 + (count === undefined ? 0 : 8)))
  for (const [index, address] of addresses.entries()) view.setBigUint64(index * 8, BigInt(address), true)
  if (count !== undefined) view.setInt32(addresses.length * 8, count, true)
  if (factor !== undefined) view.setFloat32(addresses.length * 8 + 4, factor, true)
  return new Uint8Array(view.buffer)
}
