import { FakeClock } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { closedLoop } from './closed-loop.ts'
import { scenarioNames, scenarios } from './definitions.ts'
import { openLoop } from './open-loop.ts'
import { poissonArrivals } from './poisson.ts'

/** A subject that serves one request at a time, `serviceUs` each, on a clock that the test moves. */
function fakeSubject(clock: FakeClock, serviceUs: number | ((request: number) => number)) {
  const log = { requests: 0, running: 0, maxRunning: 0 }
  let last = Promise.resolve()
  const issue = () => {
    const request = log.requests++
    log.maxRunning = Math.max(log.maxRunning, ++log.running)
    const takesUs = typeof serviceUs === 'number' ? serviceUs : serviceUs(request)
    last = last.then(async () => {
      await new Promise<void>((resolve) => clock.setTimer(takesUs, resolve))
      log.running--
    })
    return last
  }
  return { issue, log }
}

/** Moves the clock until the promise settles. */
async function finish<T>(clock: FakeClock, promise: Promise<T>, stepUs = 1000): Promise<T> {
  let settled = false
  const done = promise.finally(() => {
    settled = true
  })
  done.catch(() => {})
  for (let step = 0; !settled && step < 5000; step++) await clock.advance(stepUs)
  return done
}

const limits = (clock: FakeClock, durationUs: number, maxSamples = 10_000) => ({ clock, durationUs, maxSamples })
const arrivals = { ratePerSecond: 100, seed: 7 }

describe('single-stream', () => {
  it('sends the next request only when the last is answered, for the whole duration', async () => {
    const clock = new FakeClock()
    const { issue, log } = fakeSubject(clock, 10_000)
    const slice = await finish(clock, scenarios['single-stream'].run(issue, limits(clock, 100_000), arrivals))
    expect([...slice.latenciesUs]).toEqual(Array(10).fill(10_000))
    expect(slice).toMatchObject({ requests: 10, elapsedUs: 100_000 })
    expect(log.maxRunning).toBe(1)
  })

  it('goes on for the whole duration when it has more samples than it keeps', async () => {
    const clock = new FakeClock()
    const { issue } = fakeSubject(clock, (request) => 1000 + request)
    const slice = await finish(clock, scenarios['single-stream'].run(issue, limits(clock, 100_000, 25), arrivals))
    expect(slice.requests).toBeGreaterThan(50)
    expect(slice.latenciesUs.length).toBeGreaterThan(12)
    expect(slice.latenciesUs.length).toBeLessThanOrEqual(25)
    const gaps = slice.latenciesUs.slice(1).map((latencyUs, i) => latencyUs - slice.latenciesUs[i]!)
    expect(new Set(gaps)).toEqual(new Set([4]))
  })

  it('lets the event loop turn, also when the subject answers at once', async () => {
    let turns = 0
    const count = () => {
      turns++
      turning = setImmediate(count)
    }
    let turning = setImmediate(count)
    let nowUs = 0
    const clock = { nowUs: () => (nowUs += 50), setTimer: () => ({ cancel() {} }) }
    const slice = await closedLoop(
      async () => {},
      { clock, durationUs: 10_000, maxSamples: 1e6 },
      { lanes: 1, requestsPerQuery: 1 },
    )
    clearImmediate(turning)
    expect(slice.requests).toBeGreaterThan(50)
    expect(turns).toBeGreaterThanOrEqual(8)
  })
})

describe('multi-stream', () => {
  it('sends eight requests at once; a sample is the latency of the last of them', async () => {
    const clock = new FakeClock()
    const { issue, log } = fakeSubject(clock, 1000)
    const slice = await finish(clock, scenarios['multi-stream'].run(issue, limits(clock, 40_000), arrivals))
    expect([...slice.latenciesUs]).toEqual(Array(5).fill(8000))
    expect(slice.requests).toBe(40)
    expect(log.maxRunning).toBe(8)
  })
})

describe('offline', () => {
  it('keeps a fixed number of requests under way', async () => {
    const clock = new FakeClock()
    const { issue, log } = fakeSubject(clock, 1000)
    const slice = await finish(clock, scenarios.offline.run(issue, limits(clock, 100_000), arrivals))
    expect(log.maxRunning).toBe(16)
    expect(slice.requests).toBeGreaterThanOrEqual(100)
    expect(slice.elapsedUs / slice.requests).toBeCloseTo(1000)
  })
})

describe('server', () => {
  it('measures from the scheduled arrival: a stall is paid for by every request that arrived meanwhile', async () => {
    const clock = new FakeClock()
    const stallUs = 500_000
    const { issue } = fakeSubject(clock, (request) => (request === 0 ? stallUs : 0))
    const slice = await finish(clock, openLoop(issue, limits(clock, 1e6), arrivals))

    const nextUs = poissonArrivals(arrivals.ratePerSecond, arrivals.seed)
    const schedule: number[] = []
    for (let dueUs = nextUs(); dueUs < 1e6; dueUs = nextUs()) schedule.push(dueUs)
    const stallEndUs = schedule[0]! + stallUs
    const expected = schedule.map((dueUs) => Math.max(stallEndUs - dueUs, 0))
    expect(slice.requests).toBe(schedule.length)
    for (const [request, latencyUs] of slice.latenciesUs.entries()) {
      expect(latencyUs).toBeCloseTo(expected[request]!, 3)
    }
    expect([...slice.latenciesUs].filter((latencyUs) => latencyUs > 100_000).length).toBeGreaterThan(20)
  })

  it('counts the delay of a subject that blocks the generator itself', async () => {
    let nowUs = 0
    const clock = {
      nowUs: () => nowUs,
      setTimer: (delayUs: number, fire: () => void) => {
        setImmediate(() => {
          nowUs += Math.max(delayUs, 0)
          fire()
        })
        return { cancel() {} }
      },
    }
    // Each request blocks for 50 ms, five times the mean gap between arrivals.
    const slice = await openLoop(
      async () => {
        nowUs += 50_000
      },
      { clock, durationUs: 1e6, maxSamples: 1000 },
      arrivals,
    )
    expect(slice.requests).toBeGreaterThan(60)
    expect(Math.max(...slice.latenciesUs)).toBeGreaterThan(1e6)
  })

  it('sends one request at least, however short the slice', async () => {
    const clock = new FakeClock()
    const slice = await finish(clock, openLoop(fakeSubject(clock, 1000).issue, limits(clock, 1), arrivals))
    expect(slice.requests).toBe(1)
  })

  it('gives every subject the same arrivals', async () => {
    const counts = []
    for (const serviceUs of [0, 3000]) {
      const clock = new FakeClock()
      const slice = await finish(clock, openLoop(fakeSubject(clock, serviceUs).issue, limits(clock, 1e6), arrivals))
      counts.push(slice.requests)
    }
    expect(counts[0]).toBe(counts[1])
  })

  it('rejects with the error of a failed request, after the others ended', async () => {
    const clock = new FakeClock()
    const { issue, log } = fakeSubject(clock, 20_000)
    const failing = async () => {
      await issue()
      if (log.requests > 3) throw new Error('the third was too many')
    }
    await expect(finish(clock, openLoop(failing, limits(clock, 1e6), arrivals))).rejects.toThrow('too many')
    expect(log.running).toBe(0)
  })
})

describe('every scenario', () => {
  it.each(scenarioNames)('%s passes on the error of a request', async (name) => {
    const clock = new FakeClock()
    const run = scenarios[name].run(() => Promise.reject(new Error('no')), limits(clock, 1e5), arrivals)
    await expect(finish(clock, run)).rejects.toThrow('no')
  })
})

describe('poissonArrivals', () => {
  const gapsOf = (ratePerSecond: number, seed: number, count: number) => {
    const next = poissonArrivals(ratePerSecond, seed)
    let lastUs = 0
    return Array.from({ length: count }, () => {
      const arrivalUs = next()
      const gapUs = arrivalUs - lastUs
      lastUs = arrivalUs
      return gapUs
    })
  }

  it('has exponential gaps: mean and deviation are 1 / rate, and a share of exp(-1) lies above the mean', () => {
    const gaps = gapsOf(200, 1, 50_000)
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length)
    expect(mean / 5000).toBeCloseTo(1, 1)
    expect(deviation / 5000).toBeCloseTo(1, 1)
    expect(gaps.filter((gap) => gap > 5000).length / gaps.length).toBeCloseTo(Math.exp(-1), 1)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0)
  })

  it('repeats for a seed and differs between seeds', () => {
    expect(gapsOf(10, 3, 20)).toEqual(gapsOf(10, 3, 20))
    expect(gapsOf(10, 3, 20)).not.toEqual(gapsOf(10, 4, 20))
  })
})
