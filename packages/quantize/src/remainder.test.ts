import { describe, expect, it } from 'vitest'
import { OutputError } from './measure/output-error.ts'
import { leaveRemainder, type RemainderTask } from './remainder.ts'
import type { Sensitivity } from './sensitivity/sensitivity.ts'

const { report } = new OutputError()
const parts = Array.from(
  { length: 40 },
  (_, index): Sensitivity => ({ kind: 'activation', names: [`part${index}`], error: report }),
)

/** A model of 10 dB whose parts in float add what they are worth. */
function task(leastSqnrDb: number, gainsDb: readonly number[], asked: string[] = []): RemainderTask {
  return {
    leastSqnrDb,
    sqnrDb: 10,
    async measure({ values = new Set() }) {
      return 10 + gainsDb.reduce((sum, gain, index) => sum + (values.has(`part${index}`) ? gain : 0), 0)
    },
    async rank() {
      asked.push('rank')
      return parts
    },
    onMeasured: (sqnrDb, inFloat) => asked.push(`${sqnrDb}: ${inFloat}`),
  }
}

const namesOf = async (task: RemainderTask) => (await leaveRemainder(task))?.inFloat.map(({ name }) => name)

describe('leaveRemainder', () => {
  it('leaves nothing in float, and ranks nothing, where the outputs are good enough', async () => {
    const asked: string[] = []
    expect(await leaveRemainder(task(10, [], asked))).toBeUndefined()
    expect(asked).toEqual([])
  })

  it('leaves the fewest parts in float that suffice, and measures each choice once', async () => {
    const asked: string[] = []
    const result = await leaveRemainder(task(20, [6, 1, 6], asked))
    expect([...result!.floats.values!]).toEqual(['part0', 'part2'])
    expect(result!.inFloat[0]).toEqual({ kind: 'activation', name: 'part0', sqnrDb: report.sqnrDb })
    expect(new Set(asked).size).toBe(asked.length)
  })

  it('takes a tenth of the parts where that is not enough', async () => {
    expect(await namesOf(task(60, [1, 1, 1, 1, 50]))).toEqual(['part0', 'part1', 'part2', 'part3'])
  })

  it('takes none where that makes nothing better, and none where nothing would be left', async () => {
    expect(await namesOf(task(60, [-1]))).toBeUndefined()
    expect(await namesOf({ ...task(60, [1]), measure: async () => undefined })).toBeUndefined()
  })

  it('may leave one of a few parts in float', async () => {
    const few = { ...task(14, [5, 5]), rank: async () => parts.slice(0, 3) }
    expect(await namesOf(few)).toEqual(['part0'])
  })
})
