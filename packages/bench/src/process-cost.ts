import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonicUs } from '@lowlat/core'
import { SampleBuffer } from './sample-buffer.ts'
import { percentile } from './statistics.ts'

/** Finer would disturb: waking a thousand times a second costs a model that keeps all cores busy some percent. */
const RESOLUTION_MS = 10

/**
 * How late the event loop's timers fire, in the spans between starts and stops; an idle loop shows about 0.1 ms. Node's
 * own monitor would record the time between two spans as a delay.
 */
export class LoopDelay {
  readonly #delaysUs = new SampleBuffer()
  #timer: NodeJS.Timeout | undefined

  async start(): Promise<void> {
    let lastUs: number | undefined
    this.#timer = setInterval(() => {
      const nowUs = monotonicUs()
      // The first firing only sets the starting point.
      if (lastUs !== undefined) this.#delaysUs.push(Math.max(0, nowUs - lastUs - RESOLUTION_MS * 1000))
      lastUs = nowUs
    }, RESOLUTION_MS)
    await delay(3 * RESOLUTION_MS)
  }

  async stop(): Promise<void> {
    // A delay is recorded when the loop turns again.
    await delay(3 * RESOLUTION_MS)
    clearInterval(this.#timer)
  }

  /** Over all spans so far; 0 before the first one ended. */
  get p99Us(): number {
    return this.#delaysUs.length === 0 ? 0 : percentile(this.#delaysUs.toArray().sort(), 0.99)
  }
}

/** CPU time of this process since it started, user and system, all threads, in microseconds. */
export function cpuTimeUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/**
 * Most memory that this process had in use. Linux's own figure for getrusage starts at the parent's peak, since it
 * survives fork and exec; the high-water mark of the process itself does not.
 */
export function peakRssBytes(): number {
  if (process.platform === 'linux') {
    const highWaterKb = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    if (highWaterKb !== undefined) return Number(highWaterKb) * 1024
  }
  return process.resourceUsage().maxRSS * 1024
}
