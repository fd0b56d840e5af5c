import { describe, expect, it } from 'vitest'
import { guessedShapes, knownShapes } from './known-shapes.ts'

const ids = { name: 'ids', dtype: 'int64', shape: ['batch', 'sequence'] } as const
const mask = { name: 'mask', dtype: 'int64', shape: ['batch', 'sequence'] } as const
const image = { name: 'image', dtype: 'float32', shape: ['n', 3, 224, 224] } as const

describe('the shapes that are known before anything runs', () => {
  it('are those of the profiles, each once', () => {
    const range = { min: [1, 8], opt: [1, 64], max: [1, 64] }
    const profiles = [{ ids: range, mask: range }]
    expect(knownShapes([ids, mask], profiles, ['opt', 'max'])).toEqual([{ ids: [1, 64], mask: [1, 64] }])
    expect(knownShapes([ids, mask], profiles, ['min', 'opt', 'max'])).toHaveLength(2)
  })

  it('are the fixed ones, with one of a batch', () => {
    expect(knownShapes([image], [], ['max'])).toEqual([{ image: [1, 3, 224, 224] }])
    expect(knownShapes([], [], ['max'])).toEqual([{}])
  })

  it('are none where other axes are open', () => {
    expect(knownShapes([ids, mask], [], ['max'])).toEqual([])
  })

  it('leave out inputs of fixed shape in a profile', () => {
    const fixed = { name: 'constructor', dtype: 'float32', shape: [2, 3] } as const
    const profiles = [{ ids: { min: [1, 1], opt: [2, 2], max: [3, 3] } }]
    expect(knownShapes([ids, fixed], profiles, ['opt'])).toEqual([{ ids: [2, 2], constructor: [2, 3] }])
  })

  it('are guessed otherwise, with equal sizes for axes of the same name', () => {
    const guesses = guessedShapes([ids, mask])
    expect(guesses).toContainEqual({ ids: [1, 64], mask: [1, 64] })
    expect(guesses).toContainEqual({ ids: [1, 1], mask: [1, 1] })
    for (const guess of guesses) expect(guess.ids).toEqual(guess.mask)
  })
})
