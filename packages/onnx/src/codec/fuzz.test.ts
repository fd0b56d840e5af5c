import { describe, it } from 'vitest'
import { fuzz, fuzzRandom, smallModel } from '../testing/fuzz.ts'

describe('damaged files', () => {
  it('give a model or a ModelError', () => fuzz(smallModel(), 2000, 1))

  it('of random bytes are refused', () => fuzzRandom(1000, 2))
})
