import type { CudaContext, CudaModule, DeviceMemory } from '@lowlat/cuda-driver'
import { SimulatorControl, simulatorUnavailable, testsOnGpu } from '@lowlat/testing'
import { afterAll, beforeAll, describe } from 'vitest'
import { packArguments } from '../memory/pack-arguments.ts'
import type { Launch } from '../program/launch.ts'
import type { DeviceBuffer } from '../program/view.ts'
import { type LoadedKernels, loadKernels } from './load-kernels.ts'

/** Seed of the order in which the simulator runs threads; 0, in order, if it is not set. */
export const seedVariable = 'LOWLAT_TEST_SEED'

/** Runs single launches, on the simulator or a GPU. */
export class KernelRunner implements Disposable {
  readonly #context: CudaContext
  readonly #module: CudaModule

  /** @param kernels files of `kernels/`, without `.cu`. */
  static async open(...kernels: string[]): Promise<KernelRunner> {
    const loaded = await loadKernels(kernels.map((name) => `${name}.cu`))
    if (!testsOnGpu()) new SimulatorControl(loaded.driverPath).setSeed(Number(process.env[seedVariable] ?? 0))
    return new KernelRunner(loaded)
  }

  private constructor({ context, module }: LoadedKernels) {
    this.#context = context
    this.#module = module
  }

  /**
   * Runs the launches one after the other.
   * @param contents of the buffers before; of those that are missing, every byte is 0xff (NaN in the float formats).
   * @returns the contents of every buffer that is written.
   */
  run(launches: readonly Launch[], contents: ReadonlyMap<DeviceBuffer, Uint8Array>): Map<DeviceBuffer, Uint8Array> {
    const memory = new Map<DeviceBuffer, DeviceMemory>()
    try {
      for (const buffer of launches.flatMap(({ reads, writes }) => [...reads, ...writes])) {
        if (memory.has(buffer)) continue
        const allocated = this.#context.allocate(buffer.sizeBytes)
        memory.set(buffer, allocated)
        allocated.write(contents.get(buffer) ?? new Uint8Array(buffer.sizeBytes).fill(0xff))
      }
      using stream = this.#context.createStream()
      for (const launch of launches) {
        const { kernel, grid, threads, sharedBytes } = launch
        const parameters = packArguments(launch, (buffer) => memory.get(buffer)!.address)
        this.#module.kernel(kernel).launch({ grid, threads, sharedBytes, stream, parameters })
        stream.synchronize()
      }
      return new Map(
        launches.flatMap(({ writes }) => writes.map((buffer) => [buffer, memory.get(buffer)!.read()] as const)),
      )
    } finally {
      for (const allocated of memory.values()) allocated.dispose()
    }
  }

  dispose(): void {
    this.#module.dispose()
    this.#context.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** Tests of kernels, or a title that says why there are none here. @param kernels as of {@link KernelRunner.open}. */
export function describeKernels(
  title: string,
  kernels: readonly string[],
  define: (runner: Pick<KernelRunner, 'run'>) => void,
): void {
  const reason = simulatorUnavailable()
  describe.skipIf(reason)(reason ? `${title}: ${reason}` : title, () => {
    let opened: KernelRunner | undefined
    beforeAll(async () => {
      opened = await KernelRunner.open(...kernels)
    }, 600_000)
    afterAll(() => opened?.dispose())
    define({ run: (launches, contents) => opened!.run(launches, contents) })
  })
}
