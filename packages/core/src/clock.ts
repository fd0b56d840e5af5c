/** Time, so that tests can bring their own. All times are microseconds of a monotonic clock. */
export interface Clock {
  nowUs(): number
  /** Calls `fire` once, `delayUs` or slightly more from now; never before `setTimer` has returned. */
  setTimer(delayUs: number, fire: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** Microseconds of the system's monotonic clock: the same origin in every thread of the process. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint()) / 1000
}

/** Longest delay of Node's timers (2^31 - 1 ms); longer ones are waited for in parts. */
const LONGEST_TIMEOUT_MS = 2_147_483_647

/**
 * The real clock. Node's timers have a resolution of one millisecond: delays below that are waited for with
 * `setImmediate`, which keeps the event loop turning (and one core busy) for less than a millisecond; delays from one
 * millisecond on are rounded up to whole milliseconds.
 */
export const systemClock: Clock = {
  nowUs: monotonicUs,
  setTimer(delayUs, fire) {
    const dueUs = monotonicUs() + delayUs
    let timeout: NodeJS.Timeout | undefined
    let immediate: NodeJS.Immediate | undefined
    const wait = (restUs: number) => {
      if (delayUs < 1000) immediate = setImmediate(check)
      else timeout = setTimeout(check, Math.min(Math.ceil(restUs / 1000), LONGEST_TIMEOUT_MS))
    }
    const check = () => {
      const restUs = dueUs - monotonicUs()
      if (restUs <= 0) fire()
      else wait(restUs)
    }
    wait(delayUs)
    return {
      cancel() {
        clearTimeout(timeout)
        clearImmediate(immediate)
      },
    }
  },
}
