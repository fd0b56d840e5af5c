import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'

/** Finer would disturb: waking a thousand times a second costs a model that keeps all cores busy some percent. */
const RESOLUTION_MS = 10

/**
 * How late the event loop's timers fire. Node's monitor records the whole time between the firings of its timer;
 * its interval is subtracted here, so that an idle loop shows about 0.1 ms.
 */
export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  async start(): Promise<void> {
    this.#histogram.enable()
    // The first firing only sets the monitor's starting point.
    await delay(3 * RESOLUTION_MS)
  }

  async stop(): Promise<void> {
    // A delay is recorded when the loop turns again.
    await delay(3 * RESOLUTION_MS)
    this.#histogram.disable()
  }

  /** Over everything between starts and stops so far. */
  get p99Us(): number {
    return Math.max(0, this.#histogram.percentile(99) / 1000 - RESOLUTION_MS * 1000)
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
