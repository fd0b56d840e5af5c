import { getEventListeners } from 'node:events'
import { FakeClock } from '@lowlat/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { DecodeQueue } from './decode-queue.ts'

let clock: FakeClock
let started: string[]
beforeEach(() => {
  clock = new FakeClock()
  started = []
})

const queueOf = (concurrency: number, maxQueue = 100) => new DecodeQueue({ concurrency, maxQueue, clock })

/** Work that takes `us` and says when it starts. */
const work =
  (name: string, us = 100) =>
  (): Promise<string> => {
    started.push(name)
    return new Promise((resolve) => clock.setTimer(us, () => resolve(name)))
  }

/** Outcomes as values, attached at once so that no rejection is unhandled. */
const outcome = (promise: Promise<unknown>) => promise.catch((error) => error.code ?? error.message)

describe('the decode queue', () => {
  it('starts what finds a slot before it returns, and the rest as slots become free', async () => {
    const queue = queueOf(2)
    const runs = ['a', 'b', 'c', 'd', 'e'].map((name) => queue.run(work(name)))
    expect(started).toEqual(['a', 'b'])
    await clock.advance(100)
    expect(started).toEqual(['a', 'b', 'c', 'd'])
    await clock.advance(200)
    expect(await Promise.all(runs)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('serves higher priorities first, then first come first served', async () => {
    const queue = queueOf(1)
    const names = [
      ['a', 0],
      ['b', 0],
      ['low', -1],
      ['high', 5],
      ['c', 0],
      ['higher', 7],
      ['high too', 5],
    ] as const
    const runs = names.map(([name, priority]) => queue.run(work(name), { priority }))
    await clock.advance(1000)
    await Promise.all(runs)
    expect(started).toEqual(['a', 'higher', 'high', 'high too', 'b', 'c', 'low'])
  })

  it('refuses at once what does not fit, and takes images again once there is room', async () => {
    const queue = queueOf(1, 2)
    const runs = ['running', 'first', 'second'].map((name) => queue.run(work(name)))
    await expect(queue.run(work('third'), { priority: 9 })).rejects.toMatchObject({
      name: 'QueueFullError',
      code: 'QUEUE_FULL',
      expected: 2,
      received: 3,
    })
    await clock.advance(100)
    runs.push(queue.run(work('fourth')))
    await clock.advance(1000)
    expect(await Promise.all(runs)).toEqual(['running', 'first', 'second', 'fourth'])
  })

  it('with maxQueue 0 decodes what finds a slot and refuses everything else', async () => {
    const queue = queueOf(1, 0)
    const first = queue.run(work('first'))
    expect(await outcome(queue.run(work('second')))).toBe('QUEUE_FULL')
    await clock.advance(100)
    expect(await first).toBe('first')
  })

  it('frees the slot of work that fails, also when it throws at once', async () => {
    const queue = queueOf(1)
    const failing = [
      async () => {
        throw new Error('rejected')
      },
      (): Promise<never> => {
        throw new Error('thrown')
      },
    ]
    expect(await Promise.all(failing.map((fail) => outcome(queue.run(fail))))).toEqual(['rejected', 'thrown'])
    const next = queue.run(work('next'))
    await clock.advance(100)
    expect(await next).toBe('next')
  })
})

describe('abort and deadline', () => {
  it('before the start: no work, no timer', async () => {
    const queue = queueOf(1)
    await clock.advance(10)
    expect(await outcome(queue.run(work('x'), { signal: AbortSignal.abort() }))).toBe('ABORTED')
    expect(await outcome(queue.run(work('x'), { deadlineUs: 10 }))).toBe('DEADLINE_EXCEEDED')
    expect([started, clock.timers]).toEqual([[], 0])
  })

  it('while it waits: leaves at once, and its place is free', async () => {
    const queue = queueOf(1, 2)
    const controller = new AbortController()
    const first = queue.run(work('first', 1000))
    const aborted = outcome(queue.run(work('aborted'), { signal: controller.signal }))
    const late = outcome(queue.run(work('late'), { deadlineUs: 300 }))
    controller.abort()
    expect(await aborted).toBe('ABORTED')
    await clock.advance(300)
    expect(await late).toBe('DEADLINE_EXCEEDED')
    const next = ['next', 'last'].map((name) => queue.run(work(name)))
    await clock.advance(1000)
    expect(await Promise.all([first, ...next])).toEqual(['first', 'next', 'last'])
    expect(started).toEqual(['first', 'next', 'last'])
  })

  it('while it is decoded: rejects at once, and keeps the slot until the decoder is done', async () => {
    const queue = queueOf(1)
    const controller = new AbortController()
    const aborted = outcome(queue.run(work('aborted', 500), { signal: controller.signal }))
    const late = outcome(queue.run(work('late', 500), { deadlineUs: 800 }))
    const last = queue.run(work('last'))
    controller.abort()
    expect(await aborted).toBe('ABORTED')
    await clock.advance(499)
    expect(started).toEqual(['aborted'])
    await clock.advance(301)
    expect(await late).toBe('DEADLINE_EXCEEDED')
    await clock.advance(199)
    expect(started).toEqual(['aborted', 'late'])
    await clock.advance(101)
    expect(await last).toBe('last')
  })

  it('of an image whose deadline passed while the event loop was blocked: no slot is spent on it', async () => {
    let nowUs = 0
    const blocked = { nowUs: () => nowUs, setTimer: () => ({ cancel() {} }) }
    const queue = new DecodeQueue({ concurrency: 1, maxQueue: 10, clock: blocked })
    const first = queue.run(async () => {
      nowUs = 100
    })
    const late = outcome(queue.run(work('late'), { deadlineUs: 50 }))
    const next = queue.run(async () => 'next')
    await first
    expect([await late, await next, started]).toEqual(['DEADLINE_EXCEEDED', 'next', []])
  })

  it('bothers nobody when aborted work fails afterwards', async () => {
    const queue = queueOf(1)
    const controller = new AbortController()
    const failing = () => new Promise((_, reject) => clock.setTimer(50, () => reject(new Error('too late'))))
    const run = outcome(queue.run(failing, { signal: controller.signal }))
    controller.abort()
    expect(await run).toBe('ABORTED')
    const next = queue.run(work('next'))
    await clock.advance(150)
    expect(await next).toBe('next')
  })
})

describe('10,000 images at once', () => {
  it('with maxQueue 64: the surplus is refused at once, everything settles, nothing is left behind', async () => {
    const queue = queueOf(2, 64)
    const { signal } = new AbortController()
    const outcomes = new Map<string, number>()
    const count = (key: string) => outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
    const runs = Array.from({ length: 10_000 }, () =>
      queue.run(work('x'), { signal, deadlineUs: 1050 }).then(
        () => count('done'),
        (error) => count(error.code),
      ),
    )
    expect([started.length, clock.timers]).toEqual([2, 68]) // 66 deadlines and two that are decoded
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
    expect(outcomes.get('QUEUE_FULL')).toBe(10_000 - 66)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await clock.advance(10_000)
    await Promise.all(runs)
    expect(Object.fromEntries(outcomes)).toEqual({ done: 20, QUEUE_FULL: 9934, DEADLINE_EXCEEDED: 46 })
    expect([clock.timers, getEventListeners(signal, 'abort')]).toEqual([0, []])
  })
})
