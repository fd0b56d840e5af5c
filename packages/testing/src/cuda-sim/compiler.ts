import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { buildOnce } from './cache.ts'
import { testsOnGpu } from './hardware.ts'

const execute = promisify(execFile)

// The compiler runs without the sanitizers that this process may have been started with.
const env = { ...process.env, LD_PRELOAD: '' }

let version: string | undefined

/** First line of `g++ --version`; empty where there is no g++. */
function compilerVersion(): string {
  version ??= spawnSync('g++', ['--version'], { encoding: 'utf8', env }).stdout?.split('\n')[0] ?? ''
  return version
}

/** Why the simulator cannot be built here; undefined where it can, or where a GPU takes its place. */
export function simulatorUnavailable(): string | undefined {
  if (testsOnGpu()) return undefined
  if (process.platform !== 'linux') return `the CUDA simulator needs Linux, not ${process.platform}`
  return compilerVersion() ? undefined : 'the CUDA simulator needs g++, which is not installed'
}

let identity: string | undefined

/** What results depend on beside the sources: compiler and processor (-march=native). */
export function compilerIdentity(): string {
  identity ??= `${compilerVersion()}\n${spawnSync('g++', ['-march=native', '-Q', '--help=target'], { encoding: 'utf8', env }).stdout}`
  return identity
}

/**
 * Only fma_rn may fuse; kernels reinterpret memory as the device allows. The simulator's own loops are worth vectorising, the
 * many instances of kernels are worth compiling quickly.
 */
export function compilerFlags(of: 'simulator' | 'kernels', sanitize: boolean): string[] {
  const flags = [
    '-std=c++17',
    sanitize ? '-O1' : of === 'simulator' ? '-O3' : '-O2',
    '-march=native',
    '-fPIC',
    '-g1',
    '-Wall',
    '-Wextra',
    '-ffp-contract=off',
    '-fno-strict-aliasing',
  ]
  return sanitize
    ? [...flags, '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer']
    : flags
}

let free = 2
const waiting: (() => void)[] = []

/** Runs g++ on what makes `output`, unless it is there; at most two at once. The file appears whole or not at all. */
export async function compile(output: string, args: readonly string[]): Promise<void> {
  if (free > 0) free--
  else await new Promise<void>((resolve) => waiting.push(resolve))
  try {
    await buildOnce(output, async (partial) => {
      try {
        await execute('g++', [...args, '-o', partial], { maxBuffer: 16 << 20, env })
      } catch (error) {
        const { stderr } = error as { stderr?: string }
        throw new Error(`g++ ${args.join(' ')} failed:\n${stderr || String(error)}`, { cause: error })
      }
    })
  } finally {
    const next = waiting.shift()
    if (next) next()
    else free++
  }
}
