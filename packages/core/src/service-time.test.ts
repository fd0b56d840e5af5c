import { describe, expect, it } from 'vitest'
import { ServiceTime, ServiceTimes } from './service-time.ts'

function after(durationsUs: readonly number[]): ServiceTime {
  const time = new ServiceTime()
  for (const durationUs of durationsUs) time.record(durationUs, 0)
  return time
}

describe('service time', () => {
  it('knows no least time before eight runs, and the longest from the first', () => {
    expect([after([]).leastUs(0), after([]).longestUs]).toEqual([0, 0])
    expect([after(new Array(7).fill(5)).leastUs(0), after([5]).longestUs]).toEqual([0, 5])
    expect(after([9, 8, 7, 6, 5, 4, 3, 8]).leastUs(0)).toBe(3)
  })

  it('forgets all but the last 32 runs', () => {
    const time = after([1, 1000, ...new Array(31).fill(10)])
    expect([time.leastUs(0), time.longestUs]).toEqual([10, 1000])
    time.record(10, 0)
    expect([time.leastUs(0), time.longestUs]).toEqual([10, 10])
  })

  it('is not trusted when no run ended for a second', () => {
    const time = after(new Array(8).fill(5))
    expect([time.leastUs(1_000_000), time.leastUs(1_000_001)]).toEqual([5, 0])
  })
})

describe('service times', () => {
  it('are kept apart by kind, and only so many kinds', () => {
    const times = new ServiceTimes()
    const first = times.of('0')
    expect(times.of('0')).toBe(first)
    for (let i = 1; i < 64; i++) expect(times.of(`${i}`)).not.toBe(first)
    expect(times.of('0')).toBe(first)
    const second = times.of('1')
    times.of('64')
    expect([times.of('1') === second, times.of('0') === first]).toEqual([true, false])
  })
})
