import { createSession, type Feeds, type Session, throwIfAborted } from '@lowlat/core'
import { type Graph, onnxFromGraph } from '@lowlat/onnx'
import type { EvaluatorOptions } from './choose/evaluator.ts'

const WARM_UP_RUNS = 3

export interface TimingEffort {
  /** Pairs of runs, fewer where the models are slow: none is begun after so long. */
  readonly mostPairs: number
  readonly mostUs: number
}

const THOROUGH: TimingEffort = { mostPairs: 40, mostUs: 3e6 }

/** Medians of interleaved runs, in microseconds; `speedup` of the second over the first, of their lower quartiles. */
export interface PairTiming {
  readonly firstUs: number
  readonly secondUs: number
  readonly speedup: number
}

/** Medians of interleaved runs of both models, one thread each, in microseconds. @throws AbortError. */
export async function compareSpeed(
  float: Graph,
  quantized: Graph,
  feeds: Feeds,
  run: EvaluatorOptions,
): Promise<{ floatUs: number; quantizedUs: number; speedup: number }> {
  await using first = await openToTime(float, run)
  await using second = await openToTime(quantized, run)
  const { firstUs, secondUs } = await timePairs(first, second, feeds, THOROUGH, run.signal)
  return { floatUs: firstUs, quantizedUs: secondUs, speedup: firstUs / secondUs }
}

/** A session of one thread, the calling one: handing a run over to another adds more noise than small models take. */
export function openToTime(graph: Graph, { backend, signal }: EvaluatorOptions): Promise<Session> {
  return createSession(onnxFromGraph(graph), {
    backend,
    signal,
    cache: false,
    backendOptions: { cpu: { threads: 1, placement: 'inline' } },
  })
}

/**
 * Runs two sessions in turn, each first in every other pair: what else the machine does meanwhile meets both. It only ever
 * adds time, so that the faster quarter of the runs tells best which of the two is faster.
 * @throws AbortError.
 */
export async function timePairs(
  first: Session,
  second: Session,
  feeds: Feeds,
  { mostPairs, mostUs }: TimingEffort = THOROUGH,
  signal?: AbortSignal,
): Promise<PairTiming> {
  const [firstUs, secondUs]: [number[], number[]] = [[], []]
  const startUs = first.clock.nowUs()
  for (let pair = -WARM_UP_RUNS; pair < mostPairs; pair++) {
    throwIfAborted(signal, 'Quantizing the model')
    const order = pair % 2 === 0 ? ([first, second] as const) : ([second, first] as const)
    for (const session of order) {
      const timeUs = await timeOf(session, feeds)
      if (pair >= 0) (session === first ? firstUs : secondUs).push(timeUs)
    }
    if (pair < 0) continue
    if (first.clock.nowUs() - startUs > mostUs) break
  }
  return {
    firstUs: quantile(firstUs, 1 / 2),
    secondUs: quantile(secondUs, 1 / 2),
    speedup: quantile(firstUs, 1 / 4) / quantile(secondUs, 1 / 4),
  }
}

async function timeOf(session: Session, feeds: Feeds): Promise<number> {
  const startUs = session.clock.nowUs()
  await session.run(feeds)
  return session.clock.nowUs() - startUs
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * values.length)]!
}
