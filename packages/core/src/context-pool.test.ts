import { getEventListeners } from 'node:events'
import { FakeClock } from '@lowlat/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { ContextPool } from './context-pool.ts'
import type { ExecutionContext } from './contract.ts'
import { Timeline } from './timeline.ts'

interface Fake extends ExecutionContext {
  disposed: number
}

const fakeContext = (): Fake => ({
  disposed: 0,
  run: async () => ({}),
  async [Symbol.asyncDispose]() {
    this.disposed++
  },
})

let clock: FakeClock
let order: string[]
beforeEach(() => {
  clock = new FakeClock()
  order = []
})

function poolOf(contexts: number, maxQueue = 1000) {
  const fakes = Array.from({ length: contexts }, fakeContext)
  return { fakes, pool: new ContextPool(fakes, { maxQueue, clock }) }
}

/** A job that takes `us` and says when it starts. */
const job =
  (name: string, us = 100) =>
  (): Promise<string> => {
    order.push(name)
    return new Promise((resolve) => clock.setTimer(us, () => resolve(name)))
  }

/** Outcomes as values, attached at once so that no rejection is unhandled. */
const outcome = (promise: Promise<unknown>) => promise.catch((error) => error.code ?? error.message)
const settled = async (promises: Promise<unknown>[]) => Promise.all(promises)

describe('the context pool', () => {
  it('runs as many at once as it has contexts, each in a context of its own', async () => {
    const { pool, fakes } = poolOf(3)
    const lent: ExecutionContext[] = []
    let most = 0
    const runs = Array.from({ length: 10 }, () =>
      pool.run(async (context) => {
        expect(lent).not.toContain(context)
        lent.push(context)
        most = Math.max(most, lent.length)
        await new Promise<void>((resolve) => clock.setTimer(50, resolve))
        lent.splice(lent.indexOf(context), 1)
      }),
    )
    expect(pool.stats).toMatchObject({ contexts: 3, idle: 0, queued: 7 })
    await clock.advance(1000)
    await settled(runs)
    expect([most, fakes.length]).toEqual([3, 3])
    expect(pool.stats).toMatchObject({ idle: 3, queued: 0 })
  })

  it('serves first come first served, and higher priorities before', async () => {
    const { pool } = poolOf(1)
    const runs = [
      ['a', 0],
      ['b', 0],
      ['low', -1],
      ['high', 5],
      ['c', 0],
      ['higher', 7],
      ['high too', 5],
    ].map(([name, priority]) => pool.run(job(name as string), { priority: priority as number }))
    await clock.advance(1000)
    await settled(runs)
    expect(order).toEqual(['a', 'higher', 'high', 'high too', 'b', 'c', 'low'])
  })

  it('rejects at once what does not fit into the queue, and takes requests again once there is room', async () => {
    const { pool } = poolOf(1, 2)
    const runs = ['running', 'first', 'second'].map((name) => pool.run(job(name)))
    await expect(pool.run(job('third'), { priority: 9 })).rejects.toMatchObject({
      name: 'QueueFullError',
      code: 'QUEUE_FULL',
      expected: 2,
      received: 3,
    })
    await clock.advance(100)
    runs.push(pool.run(job('fourth')))
    await clock.advance(1000)
    expect(await settled(runs)).toEqual(['running', 'first', 'second', 'fourth'])
  })

  it('with maxQueue 0 runs what finds a context and rejects everything else', async () => {
    const { pool } = poolOf(1, 0)
    const first = pool.run(job('first'))
    expect(await outcome(pool.run(job('second')))).toBe('QUEUE_FULL')
    await clock.advance(100)
    expect(await first).toBe('first')
  })

  it('stamps how long each request waited', async () => {
    const { pool } = poolOf(1)
    const timelines = [new Timeline(0), new Timeline(0)]
    const runs = timelines.map((timeline) => pool.run(job('x'), {}, timeline))
    await clock.advance(200)
    await settled(runs)
    expect(timelines.map((timeline) => timeline.durationUs('queue'))).toEqual([0, 100])
  })
})

describe('deadlines', () => {
  it('passed already: no work', async () => {
    const { pool } = poolOf(1)
    await clock.advance(10)
    expect(await outcome(pool.run(job('x'), { deadlineUs: 10 }))).toBe('DEADLINE_EXCEEDED')
    expect([order, clock.timers]).toEqual([[], 0])
  })

  it('in the queue: leaves it at once, without work', async () => {
    const { pool } = poolOf(1)
    const runs = [pool.run(job('long', 1000)), outcome(pool.run(job('late'), { deadlineUs: 300 }))]
    await clock.advance(300)
    expect(await runs[1]).toBe('DEADLINE_EXCEEDED')
    expect(pool.stats.queued).toBe(0)
    await clock.advance(1000)
    expect([order, clock.timers]).toEqual([['long'], 0])
  })

  it('in flight: rejects at once, while the context finishes before it is lent again', async () => {
    const { pool } = poolOf(1)
    const late = outcome(pool.run(job('late', 1000), { deadlineUs: 300 }))
    const next = pool.run(job('next', 100))
    await clock.advance(300)
    expect(await late).toBe('DEADLINE_EXCEEDED')
    expect([order, pool.stats.idle, pool.stats.queued]).toEqual([['late'], 0, 1])
    await clock.advance(699)
    expect(order).toEqual(['late'])
    await clock.advance(1)
    expect(order).toEqual(['late', 'next'])
    await clock.advance(100)
    expect(await next).toBe('next')
    expect(clock.timers).toBe(0)
  })

  it('says where it passed', async () => {
    const { pool } = poolOf(1)
    const where = (promise: Promise<unknown>) => promise.catch((error) => error.details.where)
    const runs = [1, 2].map(() => where(pool.run(job('x', 500), { deadlineUs: 100 })))
    await clock.advance(1000)
    expect(await settled(runs)).toEqual(['while the request ran', 'while the request waited in the queue'])
  })

  it('that were missed while the event loop was blocked count all the same', async () => {
    // The clock moves without firing timers, as when the event loop was busy.
    let nowUs = 0
    const blocked = { nowUs: () => nowUs, setTimer: () => ({ cancel() {} }) }
    const pool = new ContextPool([fakeContext()], { maxQueue: 10, clock: blocked })
    const at = (us: number) => async () => {
      nowUs = us
    }
    const first = pool.run(at(100))
    const second = outcome(pool.run(job('second'), { deadlineUs: 50 }))
    const third = outcome(pool.run(at(200), { deadlineUs: 150 }))
    await first
    expect([await second, await third, order]).toEqual(['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', []])
    expect(pool.stats.idle).toBe(1)
  })

  /** Lets the pool learn how long such work takes. */
  async function learn(pool: ContextPool, kind: string, us: number) {
    for (let i = 0; i < 8; i++) {
      const run = pool.run(job(kind, us + i), {}, undefined, kind)
      await clock.advance(us + i)
      await run
    }
  }

  it('are refused at once where the least run times prove that they cannot be met', async () => {
    const { pool } = poolOf(2)
    await learn(pool, 'x', 100)
    expect(pool.stats).toMatchObject({ longestRunUs: 107 })
    const now = clock.nowUs()
    const run = (us: number, bounds = {}) => pool.run(job('x', us), bounds, undefined, 'x')
    const runs = [1, 2, 3, 4].map(() => run(100))
    // Two run and two wait, so two rounds are needed.
    await expect(run(100, { deadlineUs: now + 199 })).rejects.toMatchObject({
      name: 'DeadlineError',
      code: 'DEADLINE_UNREACHABLE',
      expected: 200,
      received: 199,
    })
    // A higher priority goes before those that wait.
    runs.push(run(50, { deadlineUs: now + 199, priority: 1 }))
    await clock.advance(1000)
    await settled(runs)
    expect(clock.timers).toBe(0)
  })

  it('are never refused while a context is idle', async () => {
    const { pool } = poolOf(1)
    await learn(pool, 'x', 100)
    const run = pool.run(job('quick this time', 50), { deadlineUs: clock.nowUs() + 60 }, undefined, 'x')
    await clock.advance(50)
    expect(await run).toBe('quick this time')
  })

  it('are judged by runs of the same kind: large ones say nothing about a small one', async () => {
    const { pool } = poolOf(1)
    await learn(pool, 'large', 10_000)
    const running = pool.run(job('large', 300), {}, undefined, 'large')
    const deadlineUs = clock.nowUs() + 500
    const small = pool.run(job('small', 100), { deadlineUs }, undefined, 'small')
    const unmeasured = pool.run(job('unmeasured', 50), { deadlineUs })
    expect(await outcome(pool.run(job('large'), { deadlineUs }, undefined, 'large'))).toBe('DEADLINE_UNREACHABLE')
    await clock.advance(500)
    expect(await settled([running, small, unmeasured])).toEqual(['large', 'small', 'unmeasured'])
  })

  it('count what waits ahead by what it needs itself', async () => {
    const { pool } = poolOf(1)
    await learn(pool, 'large', 1000)
    await learn(pool, 'small', 10)
    const run = (kind: string, deadlineUs?: number) => pool.run(job(kind, 1), { deadlineUs }, undefined, kind)
    const now = clock.nowUs()
    const runs = [run('large'), run('small'), run('large')]
    await expect(run('small', now + 1019)).rejects.toMatchObject({ code: 'DEADLINE_UNREACHABLE', expected: 1020 })
    runs.push(run('small', now + 1020))
    await clock.advance(1000)
    expect(await settled(runs)).toEqual(['large', 'small', 'large', 'small'])
  })

  it('do not count what is too late to run', async () => {
    // The clock moves without firing timers, as when the event loop was busy.
    let nowUs = 0
    const blocked = { nowUs: () => nowUs, setTimer: () => ({ cancel() {} }) }
    const pool = new ContextPool([fakeContext()], { maxQueue: 10, clock: blocked })
    const take = (us: number) => async () => {
      nowUs += us
    }
    for (let i = 0; i < 8; i++) await pool.run(take(100), {}, undefined, 'x')
    const running = pool.run(take(0), {}, undefined, 'x')
    const late = outcome(pool.run(take(100), { deadlineUs: nowUs + 100 }, undefined, 'x'))
    nowUs += 100
    const next = pool.run(take(100), { deadlineUs: nowUs + 101 }, undefined, 'x')
    await settled([running, next])
    expect(await late).toBe('DEADLINE_EXCEEDED')
  })

  it('are not refused for ever because of a slow phase', async () => {
    const { pool } = poolOf(1)
    await learn(pool, 'x', 10_000)
    const slow = pool.run(job('slow', 2_000_000), {}, undefined, 'x')
    const soon = () => ({ deadlineUs: clock.nowUs() + 1_500_000 })
    const waiting = Array.from({ length: 150 }, () => pool.run(job('x', 100), {}, undefined, 'x'))
    expect(await outcome(pool.run(job('x'), soon(), undefined, 'x'))).toBe('DEADLINE_UNREACHABLE')
    await clock.advance(1_000_001)
    const run = pool.run(job('quick', 100), soon(), undefined, 'x')
    await clock.advance(1_100_000)
    expect(await run).toBe('quick')
    await settled([slow, ...waiting])
  })
})

describe('abort', () => {
  it('before the start: no work', async () => {
    const { pool } = poolOf(1)
    await expect(pool.run(job('x'), { signal: AbortSignal.abort('why') })).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ABORTED',
      cause: 'why',
    })
    expect(order).toEqual([])
  })

  it('in the queue: leaves it at once', async () => {
    const { pool } = poolOf(1, 1)
    const controller = new AbortController()
    const first = pool.run(job('first'))
    const second = outcome(pool.run(job('second'), { signal: controller.signal }))
    controller.abort()
    expect(await second).toBe('ABORTED')
    const third = pool.run(job('third'))
    await clock.advance(1000)
    await settled([first, third])
    expect(order).toEqual(['first', 'third'])
  })

  it('in flight: rejects at once; the busy context is not lent twice', async () => {
    const { pool } = poolOf(1)
    const controller = new AbortController()
    const first = outcome(pool.run(job('first', 500), { signal: controller.signal }))
    await clock.advance(100)
    controller.abort()
    expect(await first).toBe('ABORTED')
    const second = pool.run(job('second'))
    expect(pool.stats).toMatchObject({ idle: 0, queued: 1 })
    await clock.advance(399)
    expect(order).toEqual(['first'])
    await clock.advance(101)
    expect(await second).toBe('second')
    expect(pool.stats).toMatchObject({ idle: 1, queued: 0 })
  })

  it('a run that fails after its request was aborted bothers nobody', async () => {
    const { pool } = poolOf(1)
    const controller = new AbortController()
    const failing = () => new Promise((_, reject) => clock.setTimer(50, () => reject(new Error('too late'))))
    const run = outcome(pool.run(failing, { signal: controller.signal }))
    controller.abort()
    expect(await run).toBe('ABORTED')
    await clock.advance(50)
    expect(pool.stats.idle).toBe(1)
  })

  it('leaves no listener and no timer behind, whatever became of the request', async () => {
    const { pool } = poolOf(1, 2)
    const { signal } = new AbortController()
    const bounds = { signal, deadlineUs: 250 }
    const failing = async () => {
      throw new Error('broken')
    }
    const runs = [job('a'), failing, job('b', 1000), job('c')].map((start) => outcome(pool.run(start, bounds)))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await clock.advance(2000)
    expect(await settled(runs)).toEqual(['a', 'broken', 'DEADLINE_EXCEEDED', 'QUEUE_FULL'])
    expect([getEventListeners(signal, 'abort'), clock.timers]).toEqual([[], 0])
  })
})

describe('failures', () => {
  it('reject the one request and free its context, also when thrown synchronously', async () => {
    const { pool } = poolOf(1)
    const bad = outcome(
      pool.run(() => {
        throw new Error('synchronous')
      }),
    )
    const good = pool.run(job('good'))
    expect(await bad).toBe('synchronous')
    await clock.advance(100)
    expect(await good).toBe('good')
  })

  it('of a timeline do not cost a context', async () => {
    const { pool } = poolOf(1)
    const broken = {
      span() {
        throw new Error('sink')
      },
    }
    expect(await outcome(pool.run(job('x'), {}, broken))).toBe('sink')
    expect(pool.stats.idle).toBe(1)
  })

  it('do not count as run times', async () => {
    const { pool } = poolOf(1)
    for (let i = 0; i < 10; i++) await outcome(pool.run(() => Promise.reject(new Error('x')), {}, undefined, 'x'))
    expect(pool.stats.longestRunUs).toBe(0)
  })
})

describe('idle listeners', () => {
  it('hear of a context that nothing waits for', async () => {
    const { pool } = poolOf(2)
    let calls = 0
    const stop = pool.onIdle(() => calls++)
    const runs = Array.from({ length: 3 }, () => pool.run(job('x')))
    await clock.advance(100)
    expect(calls).toBe(1)
    await clock.advance(100)
    expect(calls).toBe(2)
    stop()
    runs.push(pool.run(job('x')))
    await clock.advance(100)
    await settled(runs)
    expect(calls).toBe(2)
  })
})

describe('an idle listener that throws', () => {
  it('becomes a warning: no request, context or other listener suffers', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    const { pool, fakes } = poolOf(1)
    let calls = 0
    pool.onIdle(() => {
      throw new Error('listener')
    })
    pool.onIdle(() => calls++)
    for (const name of ['a', 'b']) {
      const run = pool.run(job(name))
      await clock.advance(100)
      expect(await run).toBe(name)
    }
    expect(await outcome(pool.run(() => Promise.reject(new Error('x'))))).toBe('x')
    await pool.dispose()
    await clock.advance(0) // warnings come later
    process.off('warning', onWarning)
    expect([calls, fakes[0]!.disposed]).toEqual([4, 1])
    expect(warnings).toHaveLength(4)
    expect(warnings[0]).toMatchObject({ code: 'LOWLAT_IDLE_LISTENER', message: 'An onIdle listener threw: listener' })
  })

  it('may leave and come again while it is called', async () => {
    const { pool } = poolOf(1)
    let calls = 0
    const listener = () => {
      calls++
      stop()
      stop = pool.onIdle(listener)
    }
    let stop = pool.onIdle(listener)
    const run = pool.run(job('x'))
    await clock.advance(100)
    await run
    expect(calls).toBe(1)
  })

  it.each([null, undefined, 5, {}])('is not %o', (listener) => {
    expect(() => poolOf(1).pool.onIdle(listener as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', received: listener }),
    )
  })
})

describe('dispose', () => {
  it('rejects what waits, lets what runs finish, then disposes each context once', async () => {
    const { pool, fakes } = poolOf(2)
    const { signal } = new AbortController()
    const runs = [1, 2, 3, 4].map((i) => outcome(pool.run(job(`${i}`, i * 100), { signal, deadlineUs: 10_000 })))
    const disposed = pool.dispose()
    expect(pool.dispose()).toBe(disposed)
    expect(await settled(runs.slice(2))).toEqual(['DISPOSED', 'DISPOSED'])
    expect(await outcome(pool.run(job('new')))).toBe('DISPOSED')
    await clock.advance(199)
    expect(fakes.map((fake) => fake.disposed)).toEqual([0, 0])
    await clock.advance(1)
    await disposed
    expect(await settled(runs.slice(0, 2))).toEqual(['1', '2'])
    expect(fakes.map((fake) => fake.disposed)).toEqual([1, 1])
    expect([clock.timers, getEventListeners(signal, 'abort')]).toEqual([0, []])
  })

  it('waits for a context whose request was aborted', async () => {
    const { pool, fakes } = poolOf(1)
    const controller = new AbortController()
    const run = outcome(pool.run(job('x', 100), { signal: controller.signal }))
    controller.abort()
    const disposed = pool.dispose()
    expect(await run).toBe('ABORTED')
    expect(fakes[0]!.disposed).toBe(0)
    await clock.advance(100)
    await disposed
    expect(fakes[0]!.disposed).toBe(1)
  })

  it('disposes every context, also when one fails, and then says so', async () => {
    const { pool, fakes } = poolOf(3)
    for (const [i, fake] of fakes.entries()) {
      const dispose = fake[Symbol.asyncDispose].bind(fake)
      fake[Symbol.asyncDispose] = async () => {
        await dispose()
        if (i < 2) throw new Error(`broken ${i}`)
      }
    }
    await expect(pool.dispose()).rejects.toMatchObject({ errors: [{ message: 'broken 0' }, { message: 'broken 1' }] })
    expect(fakes.map((fake) => fake.disposed)).toEqual([1, 1, 1])
  })
})

describe('10,000 requests at once', () => {
  it('with maxQueue 64: the surplus is rejected at once, everything settles, nothing is left behind', async () => {
    const { pool } = poolOf(2, 64)
    const { signal } = new AbortController()
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    const outcomes = new Map<string, number>()
    const count = (key: string) => outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
    const runs = Array.from({ length: 10_000 }, () =>
      pool.run(job('done'), { signal, deadlineUs: 1000 }).then(count, (error) => count(error.code)),
    )
    expect([pool.stats.queued, clock.timers]).toEqual([64, 68]) // 66 deadlines and two running jobs
    await Promise.resolve()
    await Promise.resolve()
    expect(outcomes.get('QUEUE_FULL')).toBe(10_000 - 66)
    await clock.advance(10_000)
    await settled(runs)
    expect(Object.fromEntries(outcomes)).toEqual({ done: 18, QUEUE_FULL: 9934, DEADLINE_EXCEEDED: 48 })
    expect([pool.stats.queued, pool.stats.idle, clock.timers]).toEqual([0, 2, 0])
    expect(getEventListeners(signal, 'abort')).toEqual([])
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })
})
