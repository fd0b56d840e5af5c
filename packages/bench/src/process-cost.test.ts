import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { LoopDelay } from './process-cost.ts'

const block = (milliseconds: number) => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe('LoopDelay', () => {
  it('sees a loop that was blocked, also in an earlier span', async () => {
    const loopDelay = new LoopDelay()
    await loopDelay.start()
    block(300)
    await loopDelay.stop()
    await loopDelay.start()
    await loopDelay.stop()
    expect(loopDelay.p99Us).toBeGreaterThan(250_000)
  })

  it('does not count what happens between two spans', async () => {
    const loopDelay = new LoopDelay()
    await loopDelay.start()
    await loopDelay.stop()
    await delay(1000)
    await loopDelay.start()
    await loopDelay.stop()
    expect(loopDelay.p99Us).toBeLessThan(900_000)
  })
})
