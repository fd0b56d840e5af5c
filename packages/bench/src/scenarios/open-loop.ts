import type { Clock } from '@lowlat/core'
import { SampleBuffer } from '../sample-buffer.ts'
import type { Issue, Slice, SliceLimits } from './closed-loop.ts'
import { LoopTurns } from './loop-turns.ts'
import { poissonArrivals } from './poisson.ts'

export interface Arrivals {
  /** Mean rate of requests per second. */
  readonly ratePerSecond: number
  /** The same seed gives every subject the same arrivals. */
  readonly seed: number
}

const waitUntil = (clock: Clock, dueUs: number) =>
  new Promise<void>((resolve) => {
    clock.setTimer(dueUs - clock.nowUs(), resolve)
  })

/**
 * Open loop: requests arrive on a schedule that does not wait for answers, and each latency counts from the scheduled
 * time. A subject that stalls, or blocks the event loop so that requests go out late, pays for every request that
 * should have arrived meanwhile (no coordinated omission). Node's timers make arrivals late by up to a millisecond;
 * that too is part of the latency, for every subject alike.
 */
export async function openLoop(
  issue: Issue,
  { clock, durationUs, maxSamples }: SliceLimits,
  { ratePerSecond, seed }: Arrivals,
): Promise<Slice> {
  const samples = new SampleBuffer(maxSamples)
  const turns = new LoopTurns(clock)
  const nextArrivalUs = poissonArrivals(ratePerSecond, seed)
  const startUs = clock.nowUs()
  let lastUs = startUs
  let failure: { error: unknown } | undefined
  let sent = 0
  const pending = new Set<Promise<void>>()
  const send = (dueUs: number) => {
    sent++
    const request = issue().then(
      () => {
        lastUs = clock.nowUs()
        samples.push(lastUs - dueUs)
        pending.delete(request)
      },
      (error: unknown) => {
        failure ??= { error }
        pending.delete(request)
      },
    )
    pending.add(request)
  }
  // One at least: a slice without any says nothing.
  for (
    let dueUs = startUs + nextArrivalUs();
    dueUs - startUs < durationUs || sent === 0;
    dueUs = startUs + nextArrivalUs()
  ) {
    const nowUs = clock.nowUs()
    if (nowUs < dueUs) await waitUntil(clock, dueUs)
    else if (turns.isDue(nowUs)) await turns.take()
    if (failure) break
    send(dueUs)
  }
  await Promise.all(pending)
  if (failure) throw failure.error
  return { latenciesUs: samples.toArray(), requests: samples.offered, elapsedUs: lastUs - startUs }
}
