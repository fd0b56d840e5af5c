import { monotonicUs, systemClock } from '@lowlat/core'
import { cpuTimeUs, LoopDelay, peakRssBytes } from './process-cost.ts'
import type { ColdStart, Opened, ProcessCost, SliceRequest, SliceResult } from './protocol.ts'
import { scenarios } from './scenarios/definitions.ts'
import { subjectFactory } from './subjects/create.ts'
import type { Subject, SubjectSpec } from './subjects/spec.ts'

const WARM_UP_US = 500_000
const WARM_UP_REQUESTS = 5
/** Enough for subjects that answer in microseconds to be compiled and warm. */
const WARM_UP_MAX_REQUESTS = 20_000
const COMPARED_ANSWERS = 4

/** Keeps one subject, measures it, and counts what its process spends. */
export class SubjectHost {
  #subject: Subject | undefined
  #requests = 0
  #checksum = 0
  readonly #loopDelay = new LoopDelay()

  /** Creates the subject and runs it until it is warm: at least five requests, and at least half a second. */
  async open(spec: SubjectSpec): Promise<Opened> {
    this.#subject = await (await subjectFactory(spec))()
    const answers: number[] = []
    const startUs = monotonicUs()
    let nowUs = startUs
    let fastestUs = Number.POSITIVE_INFINITY
    let requests = 0
    while (requests < WARM_UP_REQUESTS || (nowUs - startUs < WARM_UP_US && requests < WARM_UP_MAX_REQUESTS)) {
      const sentUs = monotonicUs()
      const answer = await this.#request()
      nowUs = monotonicUs()
      fastestUs = Math.min(fastestUs, nowUs - sentUs)
      requests++
      if (answers.length < COMPARED_ANSWERS) answers.push(answer)
    }
    return { fastestUs, answers }
  }

  async slice({ scenario, durationUs, maxSamples, arrivals }: SliceRequest): Promise<SliceResult> {
    // One request that does not count: the other subjects had the caches meanwhile.
    await this.#request()
    await this.#loopDelay.start()
    const startUs = cpuTimeUs()
    const issue = async () => {
      await this.#request()
    }
    const slice = await scenarios[scenario].run(issue, { clock: systemClock, durationUs, maxSamples }, arrivals)
    const cpuUs = cpuTimeUs() - startUs
    await this.#loopDelay.stop()
    return { ...slice, cpuUs }
  }

  async close(): Promise<ProcessCost> {
    const cost = this.#cost()
    await this.#subject?.dispose()
    this.#subject = undefined
    return cost
  }

  /** From the call that creates the subject to its first answer. The library's modules are imported before. */
  async coldStart(spec: SubjectSpec): Promise<ColdStart> {
    const create = await subjectFactory(spec)
    await this.#loopDelay.start()
    const cpuBeforeUs = cpuTimeUs()
    const startUs = monotonicUs()
    this.#subject = await create()
    await this.#request()
    const latencyUs = monotonicUs() - startUs
    const cpuUs = cpuTimeUs() - cpuBeforeUs
    await this.#loopDelay.stop()
    return { latencyUs, cpuUs, ...(await this.close()) }
  }

  async #request(): Promise<number> {
    const answer = await this.#subject!.run(this.#requests++)
    this.#checksum += answer
    return answer
  }

  #cost(): ProcessCost {
    return {
      eventLoopDelayP99Us: this.#loopDelay.p99Us,
      peakRssBytes: peakRssBytes(),
      checksum: this.#checksum,
    }
  }
}
