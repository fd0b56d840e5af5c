import { describe, expect, it } from 'vitest'
import { monotonicUs, systemClock } from './clock.ts'

const after = (delayUs: number) => new Promise<void>((resolve) => systemClock.setTimer(delayUs, resolve))

describe('the system clock', () => {
  it('never goes back, and is the monotonic clock', () => {
    let lastUs = systemClock.nowUs()
    for (let i = 0; i < 1000; i++) {
      const nowUs = monotonicUs()
      expect(nowUs).toBeGreaterThanOrEqual(lastUs)
      lastUs = nowUs
    }
  })

  it.each([-5, 0, 0.001, 1, 500, 1000, 2500])(
    'fires %d us later, once, and never before setTimer has returned',
    async (delayUs) => {
      const startUs = systemClock.nowUs()
      let fired = 0
      let returned = false
      await new Promise<void>((resolve) => {
        systemClock.setTimer(delayUs, () => {
          expect(returned).toBe(true)
          expect(systemClock.nowUs() - startUs).toBeGreaterThanOrEqual(delayUs)
          fired++
          resolve()
        })
        returned = true
      })
      await after(2000)
      expect(fired).toBe(1)
    },
  )

  it('fires an earlier timer before a later one', async () => {
    const order: string[] = []
    await Promise.all([after(60_000).then(() => order.push('60 ms')), after(4_000).then(() => order.push('4 ms'))])
    expect(order).toEqual(['4 ms', '60 ms'])
  })

  it('does not fire what was cancelled, and forgives cancelling late or twice', async () => {
    const fired: number[] = []
    const timers = [0, 300, 3000, 1e15, Number.POSITIVE_INFINITY].map((delayUs) =>
      systemClock.setTimer(delayUs, () => fired.push(delayUs)),
    )
    for (const timer of [...timers, ...timers]) timer.cancel()
    await after(6000)
    expect(fired).toEqual([])
    const done = systemClock.setTimer(0, () => fired.push(0))
    await after(1000)
    done.cancel()
    expect(fired).toEqual([0])
  })
})
