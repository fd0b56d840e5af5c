import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { monotonicUs } from '@lowlat/core'
import { SERVER_LOAD } from './scenarios/definitions.ts'
import { measureTimerCostUs } from './statistics.ts'

/** Where and how a report was measured. Holds no names of hosts or users. */
export interface Environment {
  readonly timestamp: string
  readonly cpu: string
  /** Logical processors that this process may use. */
  readonly cores: number
  /** Instruction sets that decide how fast models run; empty where the system does not tell. */
  readonly cpuFlags: readonly string[]
  readonly memoryBytes: number
  readonly os: string
  readonly node: string
  readonly lowlat: string
  /** Revision of the working copy, with '+' when it has changes; null outside one. */
  readonly revision: string | null
  readonly onnxruntime: string
  readonly sharp: string
  /** Frequency governor of the first processor; null where it cannot be read. */
  readonly governor: string | null
  /** Mean number of running processes over the last minute, before the measurements began. */
  readonly loadAverage: number
  /** What reading the clock costs; every latency contains it once. */
  readonly timerCostUs: number
  readonly secondsPerRow: number
  /** What the figures mean. */
  readonly method: Readonly<Record<string, string>>
}

const RELEVANT_FLAGS =
  /^(avx|avx2|fma|f16c|avx512f|avx512bw|avx512_vnni|avx512_bf16|avx_vnni|amx_tile|amx_int8|amx_bf16|asimd|asimddp|i8mm|bf16|sve)$/

const method = {
  percentiles: 'nearest rank: the smallest sample that the given share of samples does not exceed',
  fewSamples: 'the maximum stands for p90, p99, p99.9 where a row has fewer than 10, 100, 1000 samples',
  latency: 'of a query: one request, eight in multi-stream; in server from the scheduled arrival',
  server: `Poisson arrivals at ${SERVER_LOAD * 100} % of what the slower subject serves one after the other`,
  throughput: 'images (rows of a batch) per second; in coldstart, starts per second',
  cpuUs: "CPU time of all threads of the subject's process, per image",
  eventLoopDelayP99Us: "99th percentile of how late a timer fires in the subject's main thread",
  ratioToPeer: 'p50 of the peer / p50 of the subject; in offline, throughput of the subject / of the peer',
  interleaving:
    'one process per subject, all loaded, one working at a time, turns in alternating order; preprocess and accuracy: one process, call by call',
  accuracy:
    'the latency of each call right after one that does not count, one thread; shares of pictures in percent, drop in points',
} as const

const run = promisify(execFile)
const require = createRequire(import.meta.url)

export async function readEnvironment(secondsPerRow: number): Promise<Environment> {
  const processors = cpus()
  return {
    timestamp: new Date().toISOString(),
    cpu: processors[0]?.model.trim() ?? arch(),
    cores: processors.length,
    cpuFlags: await cpuFlags(),
    memoryBytes: totalmem(),
    os: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    lowlat: await versionOf('@lowlat/core'),
    revision: await revision(),
    onnxruntime: await versionOf('onnxruntime-node'),
    sharp: await versionOf('sharp'),
    governor: await textOf('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
    loadAverage: Math.round(loadavg()[0]! * 100) / 100,
    timerCostUs: Math.round(measureTimerCostUs(monotonicUs) * 1000) / 1000,
    secondsPerRow,
    method,
  }
}

/** Undefined facts are facts too: not every system has these files. */
async function textOf(path: string): Promise<string | null> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => null,
  )
}

async function cpuFlags(): Promise<string[]> {
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec((await textOf('/proc/cpuinfo')) ?? '')
  return (line?.[1] ?? '').split(/\s+/).filter((flag) => RELEVANT_FLAGS.test(flag))
}

async function versionOf(name: string): Promise<string> {
  for (let folder = dirname(require.resolve(name)); ; folder = dirname(folder)) {
    const text = await textOf(join(folder, 'package.json'))
    const found: { name?: string; version?: string } = text ? JSON.parse(text) : {}
    if (found.name === name) return found.version ?? 'unknown'
    if (folder === dirname(folder)) return 'unknown'
  }
}

/** Only of the working copy that this package is part of, not of a project that has it installed. */
async function revision(): Promise<string | null> {
  const folder = dirname(dirname(fileURLToPath(import.meta.url)))
  const git = (...args: string[]) => run('git', ['-C', folder, ...args]).then(({ stdout }) => stdout.trim())
  try {
    await git('ls-files', '--error-unmatch', 'package.json')
    const changed = await git('status', '--porcelain', '--untracked-files=no')
    return `${await git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`
  } catch {
    return null
  }
}
