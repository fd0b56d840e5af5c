// @ts-check
// Compiles the kernels to prebuilt/kernels.fatbin and reports what each needs in prebuilt/kernels.json. Does nothing where the
// sources have not changed since; where nvcc is missing it says so and leaves what is there.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const packageDirectory = fileURLToPath(new URL('..', import.meta.url))
const kernelDirectory = join(packageDirectory, 'kernels')
const outputDirectory = join(packageDirectory, 'prebuilt')

/**
 * Compute capabilities with code of their own. Code for 8.0 runs on 8.6 and 8.9 as well, which would add a third to time and size;
 * major versions that are missing here compile the PTX of the oldest.
 */
export const architectures = [75, 80, 90, 100, 120]

const flags = ['-O3', '-std=c++17', '--compress-mode=size', '--threads=2', '--resource-usage']
const targets = [
  ...architectures.map((version) => `--generate-code=arch=compute_${version},code=sm_${version}`),
  '--generate-code=arch=compute_75,code=compute_75',
]

/**
 * @typedef {object} KernelResources What the compiler says about a kernel for one architecture.
 * @property {number} registers of each thread
 * @property {number} stackBytes local memory of each thread
 * @property {number} spillBytes of it, what did not fit into registers
 */

/** @returns {string[]} */
function sources() {
  return readdirSync(kernelDirectory)
    .filter((name) => name.endsWith('.cu') || name.endsWith('.cuh'))
    .sort()
}

/** Changes with everything that the image depends on. @param {string} compiler */
function digestOf(compiler) {
  const hash = createHash('sha256').update(JSON.stringify([compiler, flags, targets]))
  for (const name of sources()) hash.update(`\0${name}\0`).update(readFileSync(join(kernelDirectory, name)))
  return hash.digest('hex')
}

/** nvcc's own name for itself, or undefined. @param {string} nvcc */
export function compilerVersion(nvcc = process.env.NVCC ?? 'nvcc') {
  const { status, stdout } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim().split('\n').at(-1) : undefined
}

/**
 * What `--resource-usage` wrote, by kernel and architecture.
 * @param {string} log
 * @returns {Record<string, Record<string, KernelResources>>}
 */
export function parseResources(log) {
  /** @type {Record<string, Record<string, KernelResources>>} */
  const kernels = {}
  const entry =
    /entry function '(\w+)' for 'sm_(\d+)'[\s\S]*?(\d+) bytes stack frame, (\d+) bytes spill stores[\s\S]*?Used (\d+) registers/g
  for (const match of log.matchAll(entry)) {
    const [, name = '', architecture = '', stack, spill, registers] = match
    kernels[name] = {
      ...kernels[name],
      [architecture]: { registers: Number(registers), stackBytes: Number(stack), spillBytes: Number(spill) },
    }
  }
  return kernels
}

/** Compiles if need be. @returns {Promise<void>} */
export async function buildKernels(nvcc = process.env.NVCC ?? 'nvcc') {
  const compiler = compilerVersion(nvcc)
  if (!compiler) {
    console.log(`kernels: ${nvcc} was not found; nothing compiled (CUDA toolkit 13 or newer, or NVCC=/path/to/nvcc)`)
    return
  }
  const digest = digestOf(compiler)
  const reportPath = join(outputDirectory, 'kernels.json')
  if (builtDigest(reportPath) === digest) {
    console.log('kernels: up to date')
    return
  }
  const start = performance.now()
  const temporary = mkdtempSync(join(tmpdir(), 'lowlat-kernels-'))
  try {
    // A module is one image with one binary per architecture: all kernels are one translation unit.
    const unit = join(temporary, 'kernels.cu')
    const parts = sources().filter((name) => name.endsWith('.cu'))
    writeFileSync(unit, parts.map((name) => `#include "${name}"\n`).join(''))
    const image = join(temporary, 'kernels.fatbin')
    const { status, stderr, error } = spawnSync(
      nvcc,
      [...flags, ...targets, `-I${kernelDirectory}`, '-fatbin', '-o', image, unit],
      { encoding: 'utf8', maxBuffer: 1 << 28 },
    )
    if (error) throw error
    if (status !== 0) throw new Error(`nvcc ended with ${status}:\n${stderr}`)
    mkdirSync(outputDirectory, { recursive: true })
    const bytes = readFileSync(image)
    const finished = join(outputDirectory, 'kernels.fatbin.new')
    writeFileSync(finished, bytes)
    renameSync(finished, join(outputDirectory, 'kernels.fatbin'))
    const report = { digest, compiler, architectures, sizeBytes: bytes.byteLength, kernels: parseResources(stderr) }
    writeFileSync(reportPath, `${JSON.stringify(report, undefined, 1)}\n`)
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    const count = Object.keys(report.kernels).length
    console.log(
      `kernels: ${count} kernels for ${architectures.length} architectures, ${bytes.byteLength} bytes, ${seconds} s`,
    )
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** @param {string} reportPath @returns {string | undefined} */
function builtDigest(reportPath) {
  try {
    return JSON.parse(readFileSync(reportPath, 'utf8')).digest
  } catch {
    return undefined // never built, or broken: build
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await buildKernels()
