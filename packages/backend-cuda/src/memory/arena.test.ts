import { createRandom } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import type { Program } from '../program/program.ts'
import type { DeviceBuffer, View } from '../program/view.ts'
import { bufferOf, stepOf } from '../testing/steps.ts'
import { ALIGNMENT, type ArenaPlan, type Lifetime, lifetimesOf, placeBuffers, planArena } from './arena.ts'

const viewOf = (of: DeviceBuffer): View => ({
  buffer: of,
  dtype: 'int8',
  shape: [of.sizeBytes],
  strides: [1],
  offset: 0,
})

/** Buffers that live at the same time and share a byte. */
function overlaps(lifetimes: readonly Lifetime[], { offsets }: ArenaPlan): string[] {
  const found: string[] = []
  for (const [i, a] of lifetimes.entries()) {
    for (const b of lifetimes.slice(i + 1)) {
      const together = a.first <= b.last && b.first <= a.last
      const [x, y] = [offsets.get(a.buffer)!, offsets.get(b.buffer)!]
      if (together && x < y + b.buffer.sizeBytes && y < x + a.buffer.sizeBytes)
        found.push(`${a.buffer.name} ${b.buffer.name}`)
    }
  }
  return found
}

describe('the arena of a program', () => {
  it('holds random buffers without two that live together sharing a byte, in no more than their sum', () => {
    const random = createRandom(7)
    for (let round = 0; round < 300; round++) {
      const count = 1 + random.integer(40)
      const lifetimes = Array.from({ length: count }, (_, index): Lifetime => {
        const first = random.integer(30)
        const size = Math.floor(random.uniform() ** 3 * 10_000)
        return { buffer: bufferOf('temporary', `t${index}`, size), first, last: first + random.integer(10) }
      })
      const plan = placeBuffers(lifetimes)
      expect(overlaps(lifetimes, plan)).toEqual([])
      const aligned = (size: number) => Math.ceil(size / ALIGNMENT) * ALIGNMENT
      const sum = lifetimes.reduce((total, one) => total + aligned(one.buffer.sizeBytes), 0)
      const live = (step: number) =>
        lifetimes
          .filter(({ first, last }) => first <= step && step <= last)
          .reduce((total, one) => total + aligned(one.buffer.sizeBytes), 0)
      const least = Math.max(...Array.from({ length: 40 }, (_, step) => live(step)))
      expect(plan.sizeBytes).toBeLessThanOrEqual(sum)
      expect(plan.sizeBytes).toBeGreaterThanOrEqual(least)
      for (const offset of plan.offsets.values()) expect(offset % ALIGNMENT).toBe(0)
    }
  })

  it('lets a chain of steps take turns in two regions', () => {
    const chain = Array.from({ length: 10 }, (_, index) => bufferOf('temporary', `t${index}`, 1024))
    const steps = chain.slice(1).map((next, index) => stepOf('k', [chain[index]!], [next]))
    const program: Program = { inputs: [], outputs: [], steps }
    expect(planArena(program).sizeBytes).toBe(2048)
  })

  it('keeps inputs from the start and outputs to the end, and leaves constants out', () => {
    const [x, y, w, t] = [
      bufferOf('input', 'x', 10),
      bufferOf('output', 'y', 10),
      bufferOf('constant', 'w', 10),
      bufferOf('temporary', 't', 10),
    ] as const
    const steps = [stepOf('k', [w], [t]), stepOf('k', [t, x], [y]), stepOf('k', [w], [t])]
    const program: Program = {
      inputs: [{ name: 'x', view: viewOf(x) }],
      outputs: [{ name: 'y', view: viewOf(y) }],
      steps,
    }
    expect(lifetimesOf(program)).toEqual([
      { buffer: x, first: -1, last: 1 },
      { buffer: t, first: 0, last: 2 },
      { buffer: y, first: 1, last: 3 },
    ])
  })
})
