import { ConfigError, integerKnob } from '@lowlat/core'
import type { InferenceSession } from 'onnxruntime-node'
import { en } from 'zod/locales'
import * as z from 'zod/mini'
import { usableCores } from './machine.ts'

z.config(en())

export const inlineLimitKnob = integerKnob({
  name: 'LOWLAT_CPU_INLINE_BELOW_US',
  description: "CPU backend, placement 'auto': longest run in microseconds that stays in the calling thread.",
  default: 200,
  min: 0,
})

export interface CpuOptions {
  /**
   * 'latency' (default): one session over all cores, the shortest time for a single run. 'throughput': one session of
   * one thread per core, the most runs per second.
   */
  readonly mode: 'latency' | 'throughput'
  /** Threads of each session. Default: all usable physical cores for latency, 1 for throughput. */
  readonly threads: number
  /** Worker threads, each with a session of its own. Default: 1 for latency, one per core for throughput. */
  readonly workers: number
  /**
   * 'worker' keeps the event loop free. 'inline' runs in the calling thread and blocks it for the time of a run. 'auto'
   * (default) uses a worker, unless the warm-up shows that the largest run takes less than LOWLAT_CPU_INLINE_BELOW_US.
   */
  readonly placement: 'auto' | 'inline' | 'worker'
}

const count = z.int().check(z.minimum(1), z.maximum(1024))
const schema = z.partial(
  z.strictObject({
    mode: z.enum(['latency', 'throughput']),
    threads: count,
    workers: count,
    placement: z.enum(['auto', 'inline', 'worker']),
  }),
)

/** @throws ConfigError CONFIG_INVALID. */
export function parseCpuOptions(options: unknown, contexts?: number): CpuOptions {
  const result = schema.safeParse(options)
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`)
    throw new ConfigError('CONFIG_INVALID', {
      message: `Cannot use the options of the CPU backend: ${problems.join('; ')}.`,
      remedy: `Known options: ${Object.keys(schema.shape).join(', ')}.`,
      received: options,
      details: { problems },
    })
  }
  const { mode = 'latency', threads, workers, placement = 'auto' } = result.data
  const cores = usableCores()
  return {
    mode,
    threads: threads ?? (mode === 'latency' ? cores : 1),
    workers: workers ?? (mode === 'latency' ? 1 : (contexts ?? cores)),
    placement,
  }
}

/** Failures reach the caller as typed errors; the library need not print them as well. */
const FATAL_ONLY = 4

function commonOptions(threads: number): InferenceSession.SessionOptions {
  return {
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: FATAL_ONLY,
  }
}

/**
 * How long a thread that waits for work spins before it sleeps. Long enough to bridge the gaps between the layers of a
 * run; short enough to leave the cores alone between runs, where spinning without a limit ruins the tail of whatever
 * else wants to run.
 */
const SPIN_US = 50

/** Optimise a model for this machine and write it to `path` as ONNX. */
export function compileOptions(path: string): InferenceSession.SessionOptions {
  return {
    ...commonOptions(1),
    graphOptimizationLevel: 'all',
    optimizedModelFilePath: path,
    extra: { session: { disable_prepacking: '1' } },
  }
}

/** Load a plan's model, which is optimised already; its weights are mapped from the file in `folder`. */
export function loadOptions(threads: number, folder: string): InferenceSession.SessionOptions {
  return {
    ...commonOptions(threads),
    graphOptimizationLevel: 'disabled',
    extra: {
      session: {
        model_external_initializers_file_folder_path: folder,
        intra_op: { allow_spinning: '1', spin_duration_us: String(SPIN_US) },
      },
    },
  }
}
