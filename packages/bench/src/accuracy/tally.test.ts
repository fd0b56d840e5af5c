import { describe, expect, it } from 'vitest'
import { Tally } from './tally.ts'

/** Scores of eight classes, of which these are the largest, best first. */
const ranked = (...best: number[]) => {
  const scores = new Float32Array(8)
  for (const [rank, index] of best.entries()) scores[index] = 1 - rank / 10
  return scores
}

describe('Tally', () => {
  it('counts what is right, what is among the five best, and what is as in the first model', () => {
    const tally = new Tally(2)
    tally.add([ranked(3, 1), ranked(3, 2)], 3)
    tally.add([ranked(4, 1), ranked(1, 4)], 4)
    tally.add([ranked(5, 1, 2, 3, 4), ranked(5)], 4)
    tally.add([ranked(7, 6, 5, 4, 3), ranked(0, 7, 6, 5, 4)], 0)
    expect(tally.pictures).toBe(4)
    expect(tally.accuracies).toEqual([
      { top1: 50, top5: 75, drop: 0, agreement: 100 },
      { top1: 50, top5: 75, drop: 0, agreement: 50 },
    ])
  })

  it('has a negative drop where the model is more accurate than the first', () => {
    const tally = new Tally(2)
    tally.add([ranked(1), ranked(3)], 3)
    expect(tally.accuracies[1]).toMatchObject({ top1: 100, drop: -100, agreement: 0 })
  })
})
