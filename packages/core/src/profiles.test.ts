import { describe, expect, it } from 'vitest'
import type { OptimizationProfile, TensorInfo } from './contract.ts'
import { checkProfiles, checkRanges, isInsideProfile } from './profiles.ts'

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
    ['another fixed axis', x([1, 3], [1, 4], [1, 4]), "gives 'x' the opt [1, 4], but"],
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

describe('checkRanges', () => {
  it('takes what can be a range of shapes, whatever the input is called', () => {
    const one = { min: [1], opt: [1], max: [1] }
    checkRanges([])
    checkRanges([{}, { x: { min: [0, 3], opt: [1, 3], max: [2 ** 31 - 1, 3] }, constructor: one }])
  })

  it.each([
    ['min above opt', [2, 3], [1, 3], [8, 3], 'min <= opt <= max'],
    ['opt above max', [1, 3], [9, 3], [8, 3], 'min <= opt <= max'],
    ['shapes of different rank', [1], [1, 3], [1, 3], 'the same rank'],
    ['an axis beyond 32 bits', [1], [1], [2 ** 40], 'at most 2147483647'],
  ])('refuses %s', (_, min, opt, max, message) => {
    const good = { min: [1], opt: [1], max: [1] }
    expect(() => checkRanges([{ x: good }, { x: { min, opt, max } }])).toThrow(
      expect.objectContaining({
        name: 'ConfigError',
        code: 'PROFILE_INVALID',
        details: { profile: 1 },
        message: expect.stringContaining(message),
      }),
    )
  })
})

it('an input may have a name that every object seems to have', () => {
  const inputsNamed: TensorInfo[] = [{ name: 'constructor', dtype: 'float32', shape: [4] }]
  checkProfiles([{}], inputsNamed)
  expect(isInsideProfile({}, 'constructor', [4])).toBe(true)
})
