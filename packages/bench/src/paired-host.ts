import { monotonicUs, systemClock } from '@lowlat/core'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { mersenne } from 'pure-rand/generator/mersenne'
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator'
import { cpuTimeUs, LoopDelay, peakRssBytes } from './process-cost.ts'
import type { PairedRequest, PairedResult } from './protocol.ts'
import { SampleBuffer } from './sample-buffer.ts'
import { LoopTurns } from './scenarios/loop-turns.ts'
import { subjectFactory } from './subjects/create.ts'

/** Rounds that do not count: as many as slow subjects get done in their time, but a few. */
const MIN_WARM_UP_ROUNDS = 5
const MAX_WARM_UP_ROUNDS = 50
const WARM_UP_US = 500_000

/**
 * Runs subjects in turns, one call each per round, all on the same request. The order is drawn anew for every round: in a
 * fixed one a subject would always pay for what the one before it leaves behind (caches, garbage).
 */
export async function runInTurns({ specs, durationUs, maxSamples }: PairedRequest): Promise<PairedResult> {
  const subjects = []
  for (const spec of specs) {
    const subject = await (await subjectFactory(spec))()
    subjects.push({ subject, samples: new SampleBuffer(), cpuUs: 0 })
  }
  const loopDelay = new LoopDelay()
  const turns = new LoopTurns(systemClock)
  const random = mersenne(1)
  let checksum = 0
  let measuredRounds = 0
  let measured = false
  const beginUs = monotonicUs()
  let endUs = Number.POSITIVE_INFINITY
  for (let round = 0; monotonicUs() < endUs && measuredRounds < maxSamples; round++) {
    const late = monotonicUs() - beginUs > WARM_UP_US * specs.length
    if (!measured && round >= (late ? MIN_WARM_UP_ROUNDS : MAX_WARM_UP_ROUNDS)) {
      await loopDelay.start()
      endUs = monotonicUs() + durationUs
      measured = true
    }
    if (measured) measuredRounds++
    for (const entry of shuffled(subjects, random)) {
      if (turns.isDue(monotonicUs())) await turns.take()
      await entry.subject.prepare?.(round)
      const cpuBeforeUs = cpuTimeUs()
      const startUs = monotonicUs()
      checksum += await entry.subject.run(round)
      const latencyUs = monotonicUs() - startUs
      if (!measured) continue
      entry.samples.push(latencyUs)
      entry.cpuUs += cpuTimeUs() - cpuBeforeUs
    }
  }
  await loopDelay.stop()
  const cost = { eventLoopDelayP99Us: loopDelay.p99Us, peakRssBytes: peakRssBytes(), checksum }
  for (const { subject } of subjects) await subject.dispose()
  return { ...cost, subjects: subjects.map(({ samples, cpuUs }) => ({ samplesUs: samples.toArray(), cpuUs })) }
}

/** Fisher and Yates: every order is equally likely. */
function shuffled<T>(items: readonly T[], random: RandomGenerator): T[] {
  const order = [...items]
  for (let last = order.length - 1; last > 0; last--) {
    const other = uniformInt(random, 0, last)
    ;[order[last], order[other]] = [order[other]!, order[last]!]
  }
  return order
}
