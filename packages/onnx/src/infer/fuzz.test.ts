import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { smallModel } from '../testing/fuzz.ts'
import { damagedCopies } from '../testing/fuzz-passes.ts'
import { inferAnew } from '../testing/judge-types.ts'
import { variedModel } from '../testing/varied-model.ts'

describe('inference over damaged models', () => {
  it.each([
    ['a model that every pass has something to do in', variedModel()],
    ['a model with a branch', smallModel()],
  ])('gives a report or a typed error: %s', (_, bytes) => {
    const { bytes: damagedBytes, facts } = damagedCopies(bytes)
    fc.assert(
      fc.property(damagedBytes, (copy) => void inferAnew(copy)),
      { numRuns: 400, seed: 1 },
    )
    let inferred = 0
    const property = fc.property(facts, (copy) => {
      if (inferAnew(copy)) inferred++
    })
    fc.assert(property, { numRuns: 400, seed: 1 })
    expect(inferred).toBeGreaterThan(100)
  })
})
