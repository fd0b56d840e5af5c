import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '@lowlat/core'
import { SampleBuffer } from '../sample-buffer.ts'

/** Sends one request to the subject; settles with it. */
export type Issue = () => Promise<void>

export interface SliceLimits {
  readonly clock: Clock
  /** No query starts later than this; queries under way are waited for. */
  readonly durationUs: number
  /** The slice ends early with this many samples, which bounds its memory. */
  readonly maxSamples: number
}

export interface Slice {
  /** One latency per query, in microseconds, in the order of completion. */
  readonly latenciesUs: Float64Array
  /** Requests that were completed; several per query in multi-stream. */
  readonly requests: number
  readonly elapsedUs: number
}

/** A subject that answers without ever leaving the microtask queue would starve the event loop for a whole slice. */
const TURN_EVERY_US = 1000

/**
 * Closed loop: each of `lanes` sends its next query as soon as its last one is answered. A query is `requestsPerQuery`
 * requests sent at once; its latency ends with the last of them. The time the loop takes to turn between queries is
 * not part of any latency.
 */
export async function closedLoop(
  issue: Issue,
  { clock, durationUs, maxSamples }: SliceLimits,
  { lanes, requestsPerQuery }: { lanes: number; requestsPerQuery: number },
): Promise<Slice> {
  const samples = new SampleBuffer()
  const query = requestsPerQuery === 1 ? issue : () => Promise.all(Array.from({ length: requestsPerQuery }, issue))
  const startUs = clock.nowUs()
  let turnedUs = startUs
  let nowUs = startUs
  let sent = 0
  const lane = async () => {
    while (nowUs - startUs < durationUs && sent < maxSamples) {
      sent++
      const sentUs = clock.nowUs()
      await query()
      nowUs = clock.nowUs()
      samples.push(nowUs - sentUs)
      if (nowUs - turnedUs >= TURN_EVERY_US) {
        await nextTurn()
        turnedUs = nowUs = clock.nowUs()
      }
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return { latenciesUs: samples.toArray(), requests: samples.length * requestsPerQuery, elapsedUs: nowUs - startUs }
}
