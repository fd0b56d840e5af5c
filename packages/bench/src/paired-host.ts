import { monotonicUs } from '@lowlat/core'
import { cpuTimeUs, LoopDelay, peakRssBytes } from './process-cost.ts'
import type { PairedRequest, PairedResult } from './protocol.ts'
import { SampleBuffer } from './sample-buffer.ts'
import { subjectFactory } from './subjects/create.ts'

const WARM_UP_ROUNDS = 50

/** Runs subjects in turns, one call each, in an order that rotates from round to round. */
export async function runInTurns({ specs, durationUs, maxSamples }: PairedRequest): Promise<PairedResult> {
  const subjects = []
  for (const spec of specs) {
    const subject = await (await subjectFactory(spec))()
    subjects.push({ subject, samples: new SampleBuffer(), cpuUs: 0 })
  }
  const loopDelay = new LoopDelay()
  let checksum = 0
  let endUs = Number.POSITIVE_INFINITY
  for (let round = 0; monotonicUs() < endUs && round < WARM_UP_ROUNDS + maxSamples; round++) {
    const measured = round >= WARM_UP_ROUNDS
    if (round === WARM_UP_ROUNDS) {
      await loopDelay.start()
      endUs = monotonicUs() + durationUs
    }
    for (let turn = 0; turn < subjects.length; turn++) {
      const entry = subjects[(round + turn) % subjects.length]!
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
