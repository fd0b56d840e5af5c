import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fewest } from './fewest.ts'

const letters = [...'abcdefghij']

/** Holds once all of `needed` are taken. */
const needs = (needed: readonly string[]) => async (taken: readonly string[]) =>
  needed.every((letter) => taken.includes(letter))

describe('fewest', () => {
  it('takes exactly what is needed, wherever it stands', async () => {
    await fc.assert(
      fc.asyncProperty(fc.subarray(letters), async (needed) => {
        expect(await fewest(letters, needs(needed))).toEqual(needed)
      }),
    )
  })

  it('says when all of them do not suffice', async () => {
    expect(await fewest(letters, async () => false)).toBeUndefined()
    expect(await fewest([], async () => false)).toBeUndefined()
  })

  it('asks seldom where the first ones suffice', async () => {
    const many = Array.from({ length: 1000 }, (_, index) => `${index}`)
    let asked = 0
    const holds = async (taken: readonly string[]) => {
      asked++
      return taken.includes('0')
    }
    expect(await fewest(many, holds)).toEqual(['0'])
    expect(asked).toBe(2)
  })
})
