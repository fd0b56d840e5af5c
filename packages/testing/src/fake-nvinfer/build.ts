import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { buildOnce } from '../cuda-sim/cache.ts'
import { compilerFlags, simulatorUnavailable } from '../cuda-sim/compiler.ts'
import { link } from '../cuda-sim/link.ts'
import { contentKey } from '../cuda-sim/sources.ts'
import { packageFolder } from '../package-folder.ts'

const sourceFolder = join(packageFolder, 'fake-nvinfer')
const simulatorFolder = join(packageFolder, 'cuda-sim')
const backendFolder = join(packageFolder, '../backend-trt')
const cacheFolder = join(packageFolder, '../../node_modules/.cache/lowlat-fake-nvinfer')

export interface FakeNvinferOptions {
  readonly major: 10 | 11
  /** '10.8.0'; by default the newest that the tables know. */
  readonly version?: string
  /** Functions that the libraries shall lack: 'createInferRuntime_INTERNAL'. */
  readonly omitSymbols?: readonly string[]
  /** As in `SimulatorSources`. */
  readonly sanitize?: boolean
}

export interface BuiltFakeNvinfer {
  /** In place of libnvinfer: LOWLAT_NVINFER_LIB. Controlled by `FakeNvinferControl`. */
  readonly nvinferPath: string
  /** LOWLAT_NVONNXPARSER_LIB */
  readonly onnxParserPath: string
  /** LOWLAT_NVINFER_PLUGIN_LIB */
  readonly pluginPath: string
}

/** Flags of what is compiled for the stand-in, and where its headers are. */
async function fakeNvinferCompilation(sanitize: boolean) {
  return {
    cacheFolder,
    // Several versions in one process must not share what the linker makes unique.
    flags: [...compilerFlags('kernels', sanitize), '-fvisibility=hidden', '-fno-gnu-unique'],
    includePath: [await tablesFolder(), simulatorFolder],
  }
}

/**
 * Builds the stand-in for TensorRT's libraries as one version of them, unless it is in the cache under `node_modules/.cache`.
 * It finds the CUDA driver by LOWLAT_CUDA_DRIVER_LIB, which must name the simulator when its first object is made.
 * @throws Error where there is no g++ (see `simulatorUnavailable`), or with the compiler's output.
 */
export async function buildFakeNvinfer(options: FakeNvinferOptions): Promise<BuiltFakeNvinfer> {
  const { major, omitSymbols = [], sanitize = false, version = newestVersion(major) } = options
  const reason = simulatorUnavailable()
  if (reason) throw new Error(reason)
  const number = versionNumber(version)
  if (Math.floor(number / 10000) !== major) throw new Error(`version ${version} is not of major ${major}`)
  const compilation = await fakeNvinferCompilation(sanitize)
  const exported = omitSymbols.length ? [`-Wl,--version-script=${await versionScript(omitSymbols)}`] : []
  const linked = (name: string, sources: readonly string[], libraries: readonly string[]) =>
    link({
      ...compilation,
      flagsOf: {
        // Only this one differs between versions.
        'version.cpp': [`-DFAKE_NVINFER_VERSION=${number}`],
        // Loops that are worth vectorising.
        ...Object.fromEntries(['op_products.cpp', 'op_windows.cpp'].map((name) => [name, sanitize ? [] : ['-O3']])),
      },
      name,
      sources: sources.map((source) => join(sourceFolder, source)),
      libraries: [...libraries, ...exported],
    })
  const thin = ['parser_library.cpp', 'plugin_library.cpp']
  const sources = readdirSync(sourceFolder).filter((name) => name.endsWith('.cpp'))
  const nvinferPath = await linked(
    'libnvinfer',
    sources.filter((name) => !thin.includes(name)),
    ['-pthread', '-ldl', '-Wl,-z,nodelete', '-Wl,--no-undefined'],
  )
  return {
    nvinferPath,
    onnxParserPath: await linked('libnvonnxparser', [thin[0]!], [nvinferPath]),
    pluginPath: await linked('libnvinfer_plugin', [thin[1]!], [nvinferPath]),
  }
}

/** A library with a plugin for the stand-in: y = TwiceAsPlugin(x) = 2 x. */
export async function buildFakePlugins({ sanitize = false }: { sanitize?: boolean } = {}): Promise<string> {
  return link({
    ...(await fakeNvinferCompilation(sanitize)),
    name: 'twice-plugin',
    sources: [join(sourceFolder, 'fixtures/twice_plugin.cpp')],
    libraries: [],
  })
}

/** As getInferLibVersion gives it. */
function versionNumber(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  return major * 10000 + minor * 100 + patch
}

function newestVersion(major: number): string {
  const { to } = JSON.parse(readFileSync(join(backendFolder, `abi/trt${major}.json`), 'utf8')) as { to: string }
  return to
}

/** The folder of the header with both majors' tables. */
async function tablesFolder(): Promise<string> {
  const files = ['abi', 'scripts'].flatMap((folder) =>
    readdirSync(join(backendFolder, folder)).map((name) => join(backendFolder, folder, name)),
  )
  const tables = files.filter((path) => /trt1\d\.json$|abi-.*\.mjs$/.test(path))
  const key = contentKey(JSON.stringify(tables.map((path) => readFileSync(path, 'utf8'))))
  const header = join(cacheFolder, `tables-${key}`, 'abi_tables.h')
  mkdirSync(dirname(header), { recursive: true })
  await buildOnce(header, async (partial) => {
    await promisify(execFile)(process.execPath, [join(backendFolder, 'scripts/abi-cpp.mjs'), partial])
  })
  return dirname(header)
}

/** Tells the linker not to export these. */
async function versionScript(symbols: readonly string[]): Promise<string> {
  const text = `{ global: *; local: ${symbols.map((symbol) => `${symbol};`).join(' ')} };\n`
  const path = join(cacheFolder, `omit-${contentKey(text)}.map`)
  await buildOnce(path, async (partial) => writeFileSync(partial, text))
  return path
}
