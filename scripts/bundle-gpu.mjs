// @ts-check
// `pnpm bundle:gpu`: one folder that tests and measures lowlat on a Linux x86-64 machine with an NVIDIA GPU and nothing
// else installed, without a network. It holds this Node.js, the packages as sources and as built, what they depend on,
// and the kernels. Copy the folder there and run `sh run.sh`; the results are JSON files in `results/`.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = resolve(process.argv[2] ?? join(root, 'gpu-bundle'))
const stage = join(target, 'stage')
const MOST_BYTES = 60_000_000

/** The packages that run on the GPU machine, and the tools that run their tests. */
const workspaces = [
  'core',
  'onnx',
  'cuda-driver',
  'backend-cpu',
  'backend-cuda',
  'backend-trt',
  'quantize',
  'preprocess',
  'postprocess',
  'bench',
  'testing',
]
const tools = ['vitest', 'vite', 'tsx']

/** Not needed to run: documentation, types, sources of binaries, binaries of other platforms. */
const skipped = [
  /\.(md|map|d\.ts|d\.mts|d\.cts|tsbuildinfo)$/i,
  /\/onnxruntime-node\/bin\/napi-v\d+\/(?!linux($|\/x64)|linux$)/,
  /\/onnxruntime-node\/bin\/napi-v\d+\/linux\/arm64/,
  /\/onnxruntime-node\/bin\/.*(cuda|tensorrt)[^/]*\.so/i,
  /\/koffi\/(doc|vendor)(\/|$)/,
  /\/koffi\/src\/.*\.(cc|hh|c|h|S|asm|inc|txt|def)$/,
  /\/(typescript|@biomejs|turbo|tsup|knip|dependency-cruiser)(\/|$)/,
  /\/koffi-linux-x64\/musl_x64(\/|$)/,
  /\/zod\/src(\/|$)/,
]

/** Optional parts of the tools, types, and what only compiles addons. */
const unused = ['jiti', 'yaml', '@types', 'node-addon-api', 'node-api-headers']

if (process.platform !== 'linux' || process.arch !== 'x64') {
  throw new Error(
    `Expected Linux on x86-64, got ${process.platform}-${process.arch}: the bundle holds this machine's Node.js.`,
  )
}
const kernels = join(root, 'packages/backend-cuda/prebuilt/kernels.fatbin')
if (!existsSync(kernels)) {
  throw new Error(
    `Expected the kernels in ${relative(root, kernels)}: install nvcc and run pnpm --filter @lowlat/backend-cuda build.`,
  )
}

const addon = join(root, 'packages/backend-trt/prebuilt/linux-x64/lowlat_trt.node')
if (!existsSync(addon)) {
  throw new Error(
    `Expected the addon in ${relative(root, addon)}: install g++ and run pnpm --filter @lowlat/backend-trt build:native.`,
  )
}

rmSync(target, { recursive: true, force: true })
mkdirSync(stage, { recursive: true })
for (const file of [
  'package.json',
  'vitest.config.ts',
  'vitest.long.config.ts',
  'tsconfig.json',
  'tsconfig.base.json',
  'vitest.gpu.config.ts',
]) {
  copyFileSync(join(root, file), join(stage, file))
}
const copied = new Set()
for (const name of workspaces) {
  const folder = join('packages', name)
  for (const part of ['package.json', 'src', 'dist', 'kernels', 'scripts', 'cuda-sim', 'prebuilt', 'assets']) {
    if (existsSync(join(root, folder, part))) copyTree(join(folder, part))
  }
  if (existsSync(join(root, folder, 'node_modules'))) copyLinks(join(folder, 'node_modules'))
}
for (const tool of tools) copyLink(join('node_modules', tool))
for (const name of ['core', 'backend-cpu', 'backend-cuda', 'backend-trt', 'testing'])
  copyLink(join('node_modules', '@lowlat', name))
mkdirSync(join(stage, 'bin'))
copyFileSync(process.execPath, join(stage, 'bin/node'))
chmodSync(join(stage, 'bin/node'), 0o755)
copyFileSync(join(root, 'scripts/gpu-run.sh'), join(target, 'run.sh'))

const archive = join(target, 'lowlat.tar.xz')
execute('tar', ['--sort=name', '--owner=0', '--group=0', '-C', stage, '-cf', join(target, 'lowlat.tar'), '.'])
execute('xz', ['-9e', '--threads=2', join(target, 'lowlat.tar')])
rmSync(stage, { recursive: true })
const { size } = statSync(archive)
console.log(
  `${relative(process.cwd(), target)}: ${(size / 1e6).toFixed(1)} MB. Copy it to the GPU machine and run: sh run.sh`,
)
if (size > MOST_BYTES) throw new Error(`Expected at most ${MOST_BYTES / 1e6} MB, got ${(size / 1e6).toFixed(1)} MB.`)

/** A real folder or file of the workspace, without what is skipped. @param {string} path */
function copyTree(path) {
  cpSync(join(root, path), join(stage, path), {
    recursive: true,
    filter: (source) =>
      !skipped.some((pattern) => pattern.test(source)) && !source.includes(`${sep}node_modules${sep}.cache`),
  })
}

/** Every dependency that a node_modules folder links to. @param {string} folder */
function copyLinks(folder) {
  for (const name of readdirSync(join(root, folder))) {
    if (name.startsWith('.') || unused.includes(name)) continue
    if (name.startsWith('@')) copyLinks(join(folder, name))
    else copyLink(join(folder, name))
  }
}

/** A link into pnpm's store, with what it points to and what that depends on. @param {string} path */
function copyLink(path) {
  const source = join(root, path)
  if (!existsSync(source) || copied.has(path) || skipped.some((pattern) => pattern.test(source))) return
  copied.add(path)
  if (!lstatSync(source).isSymbolicLink()) return
  mkdirSync(dirname(join(stage, path)), { recursive: true })
  symlinkSync(readlinkSync(source), join(stage, path))
  const real = relative(root, realpathSync(source))
  if (real.startsWith('packages')) return // a workspace package, copied as a whole or not needed
  if (copied.has(real)) return
  copied.add(real)
  copyTree(real)
  // Beside a package in pnpm's store stand the links to its dependencies.
  const parts = real.split(sep)
  copyLinks(parts.slice(0, parts.lastIndexOf('node_modules') + 1).join(sep))
}

/** @param {string} command @param {string[]} args */
function execute(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (error) throw new Error(`Expected the command '${command}': ${error.message}`)
  if (status !== 0) throw new Error(`${command} ended with ${status}.`)
}
