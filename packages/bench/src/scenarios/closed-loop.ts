import type { Clock } from '@lowlat/core'
import { SampleBuffer } from '../sample-buffer.ts'
import { LoopTurns } from './loop-turns.ts'

/** Sends one request to the subject; settles with it. */
export type Issue = () => Promise<void>

export interface SliceLimits {
  readonly clock: Clock
  /** No query starts later than this; queries under way are waited for. */
  readonly durationUs: number
  /** Most samples to keep, which bounds the slice's memory; of more queries, every second, fourth, ... is kept. */
  readonly maxSamples: number
}

export interface Slice {
  /** Latencies of the queries (or of every second, fourth, ...), in microseconds, in the order of completion. */
  readonly latenciesUs: Float64Array
  /** Requests that were completed; several per query in multi-stream. */
  readonly requests: number
  readonly elapsedUs: number
}

/**
 * Closed loop: each of `lanes` sends its next query as soon as its last one is answered. A query is `requestsPerQuery`
 * requests sent at once; its latency ends with the last of them. The time the loop takes to turn between queries is
 * not part of any latency. Fast subjects work for as long as slow ones: what is measured beside the latencies, such as
 * the delay of the event loop, needs the time.
 */
export async function closedLoop(
  issue: Issue,
  { clock, durationUs, maxSamples }: SliceLimits,
  { lanes, requestsPerQuery }: { lanes: number; requestsPerQuery: number },
): Promise<Slice> {
  const samples = new SampleBuffer(maxSamples)
  const turns = new LoopTurns(clock)
  const query = requestsPerQuery === 1 ? issue : () => Promise.all(Array.from({ length: requestsPerQuery }, issue))
  const startUs = clock.nowUs()
  let nowUs = startUs
  const lane = async () => {
    while (nowUs - startUs < durationUs) {
      const sentUs = clock.nowUs()
      await query()
      nowUs = clock.nowUs()
      samples.push(nowUs - sentUs)
      if (turns.isDue(nowUs)) nowUs = await turns.take()
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return { latenciesUs: samples.toArray(), requests: samples.offered * requestsPerQuery, elapsedUs: nowUs - startUs }
}
