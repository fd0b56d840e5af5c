// @ts-check
// Builds the addon from native/ and abi/ to prebuilt/linux-x64/lowlat_trt.node. Does nothing where nothing has changed since; where
// there is no compiler it says so and leaves what is there.
//   node scripts/build-native.mjs [--required]
// --required: fails where there is no addon afterwards. A package that is packed has one.
// What it makes runs on Linux with glibc 2.28 or newer, also when it is built on a newer system:
// - libstdc++ is linked in, nothing of it is exported. libgcc_s, which Node.js itself needs, is not linked in: that of newer
//   compilers calls _dl_find_object, which glibc has since 2.35 only.
// - glibc 2.34 took functions over from libpthread and libdl, and gave them new versions. The first link shows which of those are
//   used; small libraries are then generated that name their old versions, and stand in front of the real ones at the second link.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { headerText } from './abi-cpp.mjs'

const packageDirectory = fileURLToPath(new URL('..', import.meta.url))
const nativeDirectory = join(packageDirectory, 'native')
const outputPath = join(packageDirectory, 'prebuilt/linux-x64/lowlat_trt.node')

/** The newest glibc whose symbols may be used, and the newest ABI of libgcc_s. */
const newest = { GLIBC: [2, 28], GCC: [4, 3] }
const jobsAtOnce = 2

const language = ['-std=c++17', '-fPIC', '-fvisibility=hidden', '-fvisibility-inlines-hidden', '-Wall', '-Wextra']
// In a worker that is being terminated nothing can be thrown any more; without the last one that ends the process.
const defines = ['-DNAPI_VERSION=8', '-DNODE_ADDON_API_CPP_EXCEPTIONS', '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS']
const optimised = ['-O2', '-fno-plt', '-ffunction-sections', '-fdata-sections']
// The addon stays loaded when the last worker thread that used it ends: TensorRT keeps pointers to its loggers.
const linked = ['-shared', '-Wl,-z,nodelete', '-Wl,-z,now', '-Wl,--gc-sections', '-Wl,--as-needed']
const portable = ['-static-libstdc++', '-Wl,--exclude-libs,ALL']

const require = createRequire(import.meta.url)
/** Headers from npm; their warnings are not ours. */
const includes = () =>
  [require.resolve('node-addon-api/package.json'), require.resolve('node-api-headers/package.json')].map(
    (path, index) => join(dirname(path), index === 0 ? '.' : 'include'),
  )

/** @returns {string[]} paths of all sources, headers included */
export function nativeSources(folder = nativeDirectory) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? nativeSources(join(folder, entry.name)) : [join(folder, entry.name)]))
    .filter((path) => /\.(cpp|h)$/.test(path))
    .sort()
}

/** The flags of everything but optimisation, for builds that are not published. */
export function nativeFlags() {
  const [addonApi = '', headers = ''] = includes()
  return { compile: [...language, ...defines, '-isystem', addonApi, '-isystem', headers], link: [...linked] }
}

/** What both tables are as a header, `abi_tables.h`. */
export function tablesText() {
  const read = (/** @type {number} */ major) => readFileSync(join(packageDirectory, `abi/trt${major}.json`), 'utf8')
  return headerText([10, 11].map((major) => JSON.parse(read(major))))
}

/** First line of the compiler's own version, or undefined. @param {string} compiler */
function compilerVersion(compiler) {
  const env = { ...process.env, LD_PRELOAD: '' }
  const { status, stdout } = spawnSync(compiler, ['--version'], { encoding: 'utf8', env })
  return status === 0 ? stdout.split('\n')[0] : undefined
}

/** Changes with everything that the published addon depends on. @param {string} compiler */
function nativeDigest(compiler) {
  const hash = createHash('sha256')
    .update(compilerVersion(compiler) ?? '')
    .update(tablesText())
  hash.update(readFileSync(fileURLToPath(import.meta.url)))
  for (const name of ['node-addon-api', 'node-api-headers']) hash.update(require(`${name}/package.json`).version)
  for (const path of nativeSources()) hash.update(`\0${relative(nativeDirectory, path)}\0`).update(readFileSync(path))
  return hash.digest('hex')
}

/** @param {string} command @param {readonly string[]} args @returns {Promise<string>} what it printed */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LD_PRELOAD: '' } })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(output)
      else reject(new Error(`${command} ${args.join(' ')} failed:\n${output}`))
    })
  })
}

/**
 * Calls for each item, at most two at once.
 * @template T @param {readonly T[]} items @param {(item: T) => Promise<void>} work
 */
async function forEach(items, work) {
  const left = [...items]
  const lane = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: jobsAtOnce }, lane))
}

/** @typedef {{ library: string, name: string, version: string }} NeededSymbol */

/** Versions that a library takes from others, with whose they are. @param {string} path @returns {Promise<Map<string, string>>} */
async function neededVersions(path) {
  const owners = new Map()
  let file = ''
  for (const line of (await run('readelf', ['--version-info', '--wide', path])).split('\n')) {
    file = /File: (\S+)/.exec(line)?.[1] ?? file
    const version = /Name: (\S+)\s+Flags/.exec(line)?.[1]
    if (version) owners.set(version, file)
  }
  return owners
}

/** Versioned symbols that a library takes from others. @param {string} path @returns {Promise<NeededSymbol[]>} */
async function neededSymbols(path) {
  const owners = await neededVersions(path)
  const table = await run('readelf', ['--dyn-syms', '--wide', path])
  return [...table.matchAll(/\bUND (\w+)@+([\w.]+)/g)].map(([, name = '', version = '']) => ({
    name,
    version,
    library: owners.get(version) ?? '',
  }))
}

/** Whether a version such as GLIBC_2.34 is newer than what we may use. @param {string} version */
function isTooNew(version) {
  const [, family = '', numbers = ''] = /^(\w+?)_([\d.]+)$/.exec(version) ?? []
  const [major, minor = 0] = numbers.split('.').map(Number)
  const most = newest[/** @type {keyof typeof newest} */ (family)]
  // No other family is expected: GLIBCXX and CXXABI are libstdc++'s, which is linked in.
  if (!most || major === undefined) return true
  const [mostMajor = 0, mostMinor = 0] = most
  return major > mostMajor || (major === mostMajor && minor > mostMinor)
}

/**
 * Libraries that name the old versions of functions which this system's libc has under a newer one as well.
 * @param {readonly NeededSymbol[]} symbols @param {string} folder @param {string} compiler
 * @returns {Promise<string[]>} their paths
 */
async function oldLibraries(symbols, folder, compiler) {
  const libc = (await run(compiler, ['-print-file-name=libc.so.6'])).trim()
  const exported = await run('readelf', ['--dyn-syms', '--wide', libc])
  /** @type {Map<string, Map<string, string[]>>} names by version by library */
  const libraries = new Map()
  for (const { name } of symbols) {
    const old = [...exported.matchAll(new RegExp(`\\s${name}@+(GLIBC_[\\d.]+)`, 'g'))].map(
      ([, version = '']) => version,
    )
    const version = old.find((candidate) => !isTooNew(candidate))
    if (!version) throw new Error(`${name} is newer than glibc ${newest.GLIBC.join('.')}; native/ must do without it`)
    const library = /^dl/.test(name) ? 'libdl.so.2' : 'libpthread.so.0'
    const versions = libraries.get(library) ?? new Map()
    libraries.set(library, versions.set(version, [...(versions.get(version) ?? []), name]))
  }
  const paths = []
  for (const [library, versions] of libraries) {
    const path = join(folder, library)
    const [source, script] = /** @type {const} */ ([`${path}.c`, `${path}.map`])
    writeFileSync(
      source,
      [...versions.values()]
        .flat()
        .map((name) => `void ${name}(void) {}\n`)
        .join(''),
    )
    writeFileSync(script, [...versions].map(([version, names]) => `${version} { ${names.join('; ')}; };\n`).join(''))
    const about = [
      '-shared',
      '-nostdlib',
      '-fno-builtin',
      '-w',
      `-Wl,-soname,${library}`,
      `-Wl,--version-script=${script}`,
    ]
    await run(compiler, ['-x', 'c', source, ...about, '-o', path])
    paths.push(path)
  }
  return paths
}

/** Compiles and links; warnings fail the build. @param {string} output @param {string} compiler */
async function compileNative(output, compiler) {
  const folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-'))
  try {
    writeFileSync(join(folder, 'abi_tables.h'), tablesText())
    const flags = [...nativeFlags().compile, ...optimised, '-Werror', `-I${folder}`]
    const sources = nativeSources().filter((path) => path.endsWith('.cpp'))
    const objects = sources.map((path) => join(folder, `${relative(nativeDirectory, path).replace(/\W/g, '_')}.o`))
    await forEach(sources, async (source) => {
      await run(compiler, [...flags, '-c', source, '-o', /** @type {string} */ (objects[sources.indexOf(source)])])
    })
    const built = join(folder, basename(output))
    const exported = join(folder, 'exported.map')
    writeFileSync(exported, '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n')
    const link = [...linked, `-Wl,--version-script=${exported}`, ...portable, ...objects]
    await run(compiler, [...link, '-ldl', '-pthread', '-o', built])
    const renewed = (await neededSymbols(built)).filter(({ version }) => isTooNew(version))
    const old = renewed.length > 0 ? await oldLibraries(renewed, folder, compiler) : []
    await run(compiler, [...link, ...old, '-ldl', '-pthread', '-s', '-o', built])
    // Versions without a symbol too: linkers that pack relocations demand GLIBC_ABI_DT_RELR.
    const wrong = [...(await neededVersions(built)).keys()].filter(isTooNew)
    if (wrong.length > 0) {
      const names = (await neededSymbols(built))
        .filter(({ version }) => wrong.includes(version))
        .map(({ name }) => name)
      throw new Error(`too new: ${[...wrong, ...names].join(', ')}`)
    }
    mkdirSync(dirname(output), { recursive: true })
    const partial = `${output}.${process.pid}`
    writeFileSync(partial, readFileSync(built), { mode: 0o755 })
    renameSync(partial, output)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Builds the addon that is published, if need be. @param {string} compiler */
async function buildNative(compiler) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log(`addon: it is built on linux-x64, not ${process.platform}-${process.arch}; nothing compiled`)
    return
  }
  if (!compilerVersion(compiler)) {
    console.log(`addon: ${compiler} was not found; nothing compiled (install g++, or set CXX)`)
    return
  }
  const digest = nativeDigest(compiler)
  const digestPath = `${outputPath}.digest`
  if (existsSync(outputPath) && existsSync(digestPath) && readFileSync(digestPath, 'utf8') === digest) return
  await compileNative(outputPath, compiler)
  writeFileSync(digestPath, digest)
  console.log(`addon: ${relative(packageDirectory, outputPath)}`)
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  await buildNative(process.env.CXX ?? 'g++')
  if (argv.includes('--required') && !existsSync(outputPath)) {
    console.error(`addon: the package needs ${relative(packageDirectory, outputPath)}: build it with g++ on linux-x64`)
    process.exitCode = 1
  }
}
