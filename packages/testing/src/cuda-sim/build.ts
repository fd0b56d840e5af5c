import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile, compilerFlags, compilerIdentity, simulatorUnavailable } from './compiler.ts'
import { testsOnGpu } from './hardware.ts'
import { compilationKey, contentKey } from './sources.ts'

const simulatorFolder = fileURLToPath(new URL('../../cuda-sim', import.meta.url))
const cacheFolder = fileURLToPath(new URL('../../../../node_modules/.cache/lowlat-cuda-sim', import.meta.url))

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

const prebuiltKernels = fileURLToPath(new URL('../../../backend-cuda/prebuilt/kernels.fatbin', import.meta.url))

/**
 * Builds the simulator of the CUDA driver and these kernels for it, unless they are in the cache under `node_modules/.cache`.
 * Takes tens of seconds the first time. Tests that run on a GPU get its driver and the compiled kernels instead.
 * @throws Error where there is no g++ (see `simulatorUnavailable`), or with the compiler's output.
 */
export async function buildSimulator({ kernels, sanitize = false }: SimulatorSources): Promise<BuiltSimulator> {
  if (testsOnGpu()) return { driverPath: 'libcuda.so.1', imagePath: prebuiltKernels }
  const reason = simulatorUnavailable()
  if (reason) throw new Error(reason)
  mkdirSync(cacheFolder, { recursive: true })
  const sources = readdirSync(simulatorFolder).filter((name) => name.endsWith('.cpp'))
  const driver = await link(
    'libcuda-sim',
    sources.map((name) => join(simulatorFolder, name)),
    [],
    sanitize,
    // Kernels that run must outlive whoever loaded the driver.
    ['-pthread', '-ldl', '-Wl,-z,nodelete', '-Wl,--no-undefined'],
  )
  const paths = kernels.map((path) => resolve(path))
  const includePath = [simulatorFolder, ...new Set(paths.map((path) => dirname(path)))]
  const library = await link('kernels', paths, includePath, sanitize, [driver])
  const imagePath = library.replace(/\.so$/, '.image')
  writeAtomically(imagePath, `cuda-sim-module:${library}\0`)
  return { driverPath: driver, imagePath }
}

/** One shared library of these sources, each an object file of its own. */
async function link(
  name: string,
  sources: readonly string[],
  includePath: readonly string[],
  sanitize: boolean,
  libraries: readonly string[],
): Promise<string> {
  const flags = [...compilerFlags(sanitize), ...includePath.map((folder) => `-I${folder}`)]
  const identity = compilerIdentity()
  const objects = await Promise.all(
    sources.map(async (source) => {
      const key = compilationKey(source, includePath, [...flags, identity])
      const object = join(cacheFolder, `${basename(source).replace(/\W/g, '-')}-${key}.o`)
      await compile(object, [...flags, '-x', 'c++', '-c', source])
      return object
    }),
  )
  const library = join(cacheFolder, `${name}-${contentKey(JSON.stringify([objects, libraries, flags]))}.so`)
  const sanitizers = flags.filter((flag) => flag.startsWith('-fsanitize'))
  await compile(library, ['-shared', ...sanitizers, ...objects, ...libraries])
  return library
}

function writeAtomically(path: string, text: string): void {
  const partial = `${path}.${process.pid}`
  writeFileSync(partial, text)
  renameSync(partial, path)
}
