import { readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { packageFolder } from '../package-folder.ts'
import { buildOnce } from './cache.ts'
import { compilerFlags, simulatorUnavailable } from './compiler.ts'
import { testsOnGpu } from './hardware.ts'
import { link } from './link.ts'

const simulatorFolder = join(packageFolder, 'cuda-sim')
const cacheFolder = join(packageFolder, '../../node_modules/.cache/lowlat-cuda-sim')

export interface SimulatorSources {
  /** Paths of .cu files. Their folders are searched for headers, and the simulator's own. */
  readonly kernels: readonly string[]
  /**
   * With AddressSanitizer and UndefinedBehaviorSanitizer. Such a library loads only into a process that was started for it:
   * see `runSanitized`.
   */
  readonly sanitize?: boolean
}

export interface BuiltSimulator {
  /** In place of libcuda.so.1: LOWLAT_CUDA_DRIVER_LIB. */
  readonly driverPath: string
  /** In place of the compiled kernels: its bytes go to cuModuleLoadData. */
  readonly imagePath: string
}

const prebuiltKernels = join(packageFolder, '../backend-cuda/prebuilt/kernels.fatbin')

/**
 * Builds the simulator of the CUDA driver and these kernels for it, unless they are in the cache under `node_modules/.cache`.
 * Takes tens of seconds the first time. Tests that run on a GPU get its driver and the compiled kernels instead.
 * @throws Error where there is no g++ (see `simulatorUnavailable`), or with the compiler's output.
 */
export async function buildSimulator({ kernels, sanitize = false }: SimulatorSources): Promise<BuiltSimulator> {
  if (testsOnGpu()) return { driverPath: 'libcuda.so.1', imagePath: prebuiltKernels }
  const reason = simulatorUnavailable()
  if (reason) throw new Error(reason)
  const sources = readdirSync(simulatorFolder).filter((name) => name.endsWith('.cpp'))
  const driver = await link({
    cacheFolder,
    name: 'libcuda-sim',
    sources: sources.map((name) => join(simulatorFolder, name)),
    flags: compilerFlags('simulator', sanitize),
    includePath: [],
    // Kernels that run must outlive whoever loaded the driver.
    libraries: ['-pthread', '-ldl', '-Wl,-z,nodelete', '-Wl,--no-undefined'],
  })
  const paths = kernels.map((path) => resolve(path))
  const library = await link({
    cacheFolder,
    name: 'kernels',
    sources: paths,
    flags: compilerFlags('kernels', sanitize),
    includePath: [simulatorFolder, ...new Set(paths.map((path) => dirname(path)))],
    libraries: [driver],
  })
  const imagePath = library.replace(/\.so$/, '.image')
  await buildOnce(imagePath, async (partial) => writeFileSync(partial, `cuda-sim-module:${library}\0`))
  return { driverPath: driver, imagePath }
}
