import { expect, it } from 'vitest'
import { findLeadingLayers } from './leading-layers.ts'
import type { TimingEffort } from './speed.ts'

const layers = Array.from({ length: 30 }, (_, index) => `layer ${index}`)

interface Model extends AsyncDisposable {
  readonly inFloat: number
}

/** A run takes so long with so many layers in float; `first` is what a first look says instead. */
async function find(timeUs: (inFloat: number) => number, first = timeUs) {
  const opened = new Set<number>()
  const timed: number[] = []
  const task = {
    layers,
    open: async ({ length }: readonly string[]): Promise<Model> => {
      opened.add(length)
      return { inFloat: length, [Symbol.asyncDispose]: async () => void opened.delete(length) }
    },
    time: async (a: Model, b: Model, effort?: TimingEffort) => {
      expect([...opened]).toEqual(expect.arrayContaining([a.inFloat, b.inFloat]))
      const of = effort && effort.mostPairs <= 40 ? first : timeUs
      const [firstUs, secondUs] = [timeUs(a.inFloat), of(b.inFloat)]
      return { firstUs, secondUs, speedup: firstUs / secondUs }
    },
    onTimed: (count: number) => timed.push(count),
  }
  try {
    return { result: await findLeadingLayers(task), tried: Math.max(...timed) }
  } finally {
    expect([...opened]).toEqual([])
  }
}

it('leaves as many of the first layers in float as make the model fastest, past cuts that are slower', async () => {
  const { result, tried } = await find((count) => 1000 + 50 * (count % 3) + 20 * Math.abs(count - 6))
  expect(result).toEqual({ names: layers.slice(0, 6), integersUs: 1120, floatUs: 1000, speedup: 1.12 })
  expect(tried).toBe(12)
})

it('gives up after some layers without a gain', async () => {
  expect(await find((count) => (count === 7 ? 500 : 1000 + count))).toEqual({ result: undefined, tried: 6 })
})

it('takes nothing that only a first look finds faster', async () => {
  const { result } = await find(
    (count) => 1000 + count,
    () => 900,
  )
  expect(result).toBeUndefined()
})

it('takes nothing for a gain that is too small altogether', async () => {
  expect((await find((count) => (count === 2 ? 985 : 1000))).result).toBeUndefined()
})

it('leaves no model open where timing fails', async () => {
  await expect(
    find((count) => {
      if (count === 5) throw new Error('failed')
      return 1000 - 20 * count
    }),
  ).rejects.toThrow('failed')
})
