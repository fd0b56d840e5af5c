import { execFile, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, renameSync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
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

/** What results depend on beside the sources: compiler and processor (-march=native). */
export function compilerIdentity(): string {
  const target = spawnSync('g++', ['-march=native', '-Q', '--help=target'], { encoding: 'utf8', env }).stdout
  return `${compilerVersion()}\n${target}`
}

/** Only fma_rn may fuse; kernels reinterpret memory as the device allows. */
export function compilerFlags(sanitize: boolean): string[] {
  const flags = [
    '-std=c++17',
    sanitize ? '-O1' : '-O2',
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
  // Named apart, so that builds of several processes do not meet.
  const partial = `${output}.${randomUUID()}`
  try {
    if (existsSync(output)) return
    await execute('g++', [...args, '-o', partial], { maxBuffer: 16 << 20, env })
    renameSync(partial, output)
  } catch (error) {
    rmSync(partial, { force: true })
    const { stderr } = error as { stderr?: string }
    throw new Error(`g++ ${args.join(' ')} failed:\n${stderr || String(error)}`, { cause: error })
  } finally {
    const next = waiting.shift()
    if (next) next()
    else free++
  }
}
