import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Backlog } from './backlog.ts'
import type { Place } from './priority-queue.ts'
import { isLate, type RequestBounds } from './request-options.ts'
import { ServiceTime } from './service-time.ts'

interface Waiting {
  readonly bounds: RequestBounds
  readonly priority: number
  readonly serviceTime: ServiceTime | undefined
}

/** Runs take `us` at the least, as was seen at time 0. */
function known(us: number): ServiceTime {
  const time = new ServiceTime()
  for (let i = 0; i < 8; i++) time.record(us, 0)
  return time
}

/** When a context is free for a request of this priority, by walking over everything that waits ahead. */
function leastWaitUs(queue: readonly Waiting[], contexts: number, priority: number, nowUs: number): number {
  const freeUs = new Array<number>(contexts).fill(0)
  for (const waiting of queue) {
    const first = freeUs.indexOf(Math.min(...freeUs))
    if (waiting.priority < priority || isLate(waiting.bounds, nowUs + freeUs[first]!)) continue
    freeUs[first]! += waiting.serviceTime?.leastUs(nowUs) ?? 0
  }
  return Math.min(...freeUs)
}

describe('the backlog', () => {
  const kinds = [known(10), known(100), known(250), new ServiceTime(), undefined]
  const us = fc.integer({ min: 0, max: 1500 })
  const priority = fc.constantFrom(0, 0, 0, 1, -2)
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('push' as const), priority, work: fc.nat(4), deadline: us }),
    },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('ask' as const), priority, limitUs: fc.nat(300) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('shift' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), us }) },
  )

  it('refuses what walking over all that waits ahead refuses, and nothing else', () => {
    let refused = 0
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { minLength: 20, maxLength: 120 }),
        (contexts, steps) => {
          const backlog = new Backlog<Waiting>(contexts)
          const places: Place<Waiting>[] = []
          let nowUs = 999_700 // what is known is forgotten at 1,000,000
          for (const step of steps) {
            const queue = places.map(({ item }) => item)
            if (step.kind === 'push') {
              const deadlineUs = step.deadline < 500 ? undefined : nowUs + step.deadline
              const item = { bounds: { deadlineUs }, priority: step.priority, serviceTime: kinds[step.work] }
              const at = queue.findLastIndex((other) => other.priority >= item.priority) + 1
              places.splice(at, 0, backlog.push(item))
            } else if (step.kind === 'ask') {
              const leastUs = leastWaitUs(queue, contexts, step.priority, nowUs)
              const wait = backlog.waitBeyond(step.limitUs, step.priority, nowUs)
              expect(wait !== undefined).toBe(leastUs > step.limitUs)
              if (!wait) continue
              refused++
              expect(wait.leastUs).toBeLessThanOrEqual(leastUs)
              expect(wait.ahead).toBeLessThanOrEqual(queue.filter((item) => item.priority >= step.priority).length)
            } else if (step.kind === 'shift') {
              expect(backlog.shift()).toBe(places.shift()?.item)
            } else if (step.kind === 'remove') {
              const [place] = places.splice(step.pick % (places.length || 1), 1)
              if (place) backlog.remove(place)
            } else if (step.kind === 'wait') {
              nowUs += step.us / 10
            }
            expect(backlog.length).toBe(places.length)
          }
        },
      ),
      { numRuns: 300 },
    )
    expect(refused).toBeGreaterThan(300)
  })

  it.each([
    ['that fits', 1_000_000],
    ['that does not', 500],
  ])('looks at each that waits at most once in a burst %s', (_, limitUs) => {
    let looks = 0
    const serviceTime = known(1)
    const backlog = new Backlog<Waiting>(2)
    const asked = Array.from({ length: 2000 }, () => {
      const waiting = {
        get bounds() {
          looks++
          return { deadlineUs: 1_000_000 }
        },
        priority: 0,
        serviceTime,
      }
      backlog.push(waiting)
      return backlog.waitBeyond(limitUs, 0, 0)
    })
    expect(asked.filter(Boolean).length).toBe(limitUs === 500 ? 2000 - 1001 : 0)
    expect(looks).toBeLessThanOrEqual(2000)
  })
})
