import { describe, expect, it } from 'vitest'
import type { OptimizationProfile, TensorInfo } from './contract.ts'
import { checkProfiles } from './profiles.ts'

const inputs: TensorInfo[] = [
  { name: 'x', dtype: 'float32', shape: ['batch', 3] },
  { name: 'fixed', dtype: 'float32', shape: [4] },
]
const x = (min: unknown, opt: unknown, max: unknown) => ({ x: { min, opt, max } }) as unknown

describe('checkProfiles', () => {
  it('takes no profile, and profiles that fit; inputs of fixed shape may be left out', () => {
    checkProfiles([], inputs)
    checkProfiles([x([1, 3], [2, 3], [8, 3]), x([1, 3], [1, 3], [1, 3])] as OptimizationProfile[], inputs)
    const four = { min: [4], opt: [4], max: [4] }
    checkProfiles([{ x: { min: [0, 3], opt: [0, 3], max: [9, 3] }, fixed: four }], inputs)
  })

  it.each([
    [
      'an unknown input',
      { y: { min: [1], opt: [1], max: [1] } },
      "names the input 'y', but the inputs are 'x', 'fixed'",
    ],
    ['an input left out', {}, "leaves out 'x', but it has run-time sizes: [batch, 3]"],
    ['another rank', x([1], [1], [1]), "gives 'x' the min [1], but the model has [batch, 3]"],
    ['another fixed axis', x([1, 3], [1, 4], [1, 3]), "gives 'x' the opt [1,4], but"],
    ['a shape that is none', x([1, 3], [1, 3], [Number.NaN, 3]), "gives 'x' the max [null,3]"],
    ['min above opt', x([2, 3], [1, 3], [8, 3]), 'min <= opt <= max'],
    ['opt above max', x([1, 3], [9, 3], [8, 3]), 'min <= opt <= max'],
  ])('refuses %s', (_, profile, message) => {
    const good = x([1, 3], [2, 3], [8, 3])
    expect(() => checkProfiles([good, profile] as OptimizationProfile[], inputs)).toThrow(
      expect.objectContaining({
        name: 'ConfigError',
        code: 'PROFILE_INVALID',
        details: { profile: 1 },
        message: expect.stringContaining(message),
      }),
    )
  })
})
