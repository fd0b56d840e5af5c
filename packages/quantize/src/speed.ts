import { createSession, type Feeds, type Session } from '@lowlat/core'
import { type Graph, onnxFromGraph } from '@lowlat/onnx'
import { throwIfAborted } from './aborted.ts'
import type { EvaluatorOptions } from './choose/evaluator.ts'

/** Pairs of runs, fewer where the model is slow. */
const MOST_PAIRS = 40
const MOST_US = 3e6
const WARM_UP_RUNS = 3

/** Medians of interleaved runs of both models, one thread each, in microseconds. @throws AbortError. */
export async function compareSpeed(
  float: Graph,
  quantized: Graph,
  feeds: Feeds,
  { backend, signal }: EvaluatorOptions,
): Promise<{ floatUs: number; quantizedUs: number; speedup: number }> {
  const open = (graph: Graph) =>
    createSession(onnxFromGraph(graph), {
      backend,
      signal,
      cache: false,
      backendOptions: { cpu: { threads: 1, workers: 1 } },
    })
  await using first = await open(float)
  await using second = await open(quantized)
  const times: Record<'float' | 'quantized', number[]> = { float: [], quantized: [] }
  const startUs = first.clock.nowUs()
  for (let pair = -WARM_UP_RUNS; pair < MOST_PAIRS; pair++) {
    throwIfAborted(signal)
    const floatUs = await timeOf(first, feeds)
    const quantizedUs = await timeOf(second, feeds)
    if (pair < 0) continue
    times.float.push(floatUs)
    times.quantized.push(quantizedUs)
    if (first.clock.nowUs() - startUs > MOST_US) break
  }
  const floatUs = median(times.float)
  const quantizedUs = median(times.quantized)
  return { floatUs, quantizedUs, speedup: floatUs / quantizedUs }
}

async function timeOf(session: Session, feeds: Feeds): Promise<number> {
  const startUs = session.clock.nowUs()
  await session.run(feeds)
  return session.clock.nowUs() - startUs
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
