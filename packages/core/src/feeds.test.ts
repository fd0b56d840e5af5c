import { describe, expect, it } from 'vitest'
import type { Feeds, OptimizationProfile, TensorInfo } from './contract.ts'
import { checkFeeds, checkOutputNames, profileFor } from './feeds.ts'
import { Tensor } from './tensor.ts'

const image: TensorInfo = { name: 'image', dtype: 'float32', shape: ['batch', 3, 'size', 'size'] }
const mask: TensorInfo = { name: 'mask', dtype: 'bool', shape: ['batch', 'tokens'] }
const inputs = [image, mask]
const zeros = (info: TensorInfo, shape: number[]) => Tensor.zeros(info.dtype, shape)
const good = (batch = 2, size = 8, tokens = 5): Feeds => ({
  image: zeros(image, [batch, 3, size, size]),
  mask: zeros(mask, [batch, tokens]),
})
const check = (feeds: unknown, profiles: OptimizationProfile[] = []) => checkFeeds(feeds as Feeds, { inputs, profiles })
const failure = (code: string, fields: Record<string, unknown> = {}) =>
  expect.objectContaining({ name: 'InputError', code, ...fields })

describe('checkFeeds', () => {
  it('takes what fits, with any size of a named axis', () => {
    check(good())
    check(good(1, 1, 0))
    check(Object.assign(Object.create(null), good()))
  })

  it.each([[null], [undefined], [7], ['image'], [zeros(image, [1, 3, 8, 8])]])(
    'refuses %o instead of an object of tensors',
    (feeds) => {
      expect(() => check(feeds)).toThrow(failure('INVALID_ARGUMENT'))
    },
  )

  it('names an input that the model does not have, and one that is missing', () => {
    expect(() => check({ ...good(), img: zeros(image, [1]) })).toThrow(
      failure('INPUT_UNKNOWN', { expected: ['image', 'mask'], received: 'img' }),
    )
    expect(() => check({ image: good().image })).toThrow(
      failure('INPUT_MISSING', { expected: ['image', 'mask'], received: ['image'] }),
    )
    expect(() => check({ ...good(), mask: undefined })).toThrow(failure('INPUT_MISSING'))
    expect(() => check({})).toThrow(failure('INPUT_MISSING', { received: [] }))
  })

  it.each([[null], [new Float32Array(4)], [[1, 2]], ['text']])('refuses %o instead of a tensor', (value) => {
    expect(() => check({ ...good(), mask: value })).toThrow(failure('INVALID_ARGUMENT', { received: value }))
  })

  it('refuses another dtype, even of the same memory', () => {
    expect(() => check({ ...good(), mask: Tensor.zeros('uint8', [2, 5]) })).toThrow(
      failure('INPUT_DTYPE', { expected: 'bool', received: 'uint8' }),
    )
  })

  it.each([[[]], [[2]], [[2, 3, 8]], [[2, 4, 8, 8]], [[2, 3, 8, 8, 1]]])('refuses the shape %j', (shape) => {
    expect(() => check({ ...good(), image: zeros(image, shape) })).toThrow(
      failure('INPUT_SHAPE', { expected: image.shape, received: shape }),
    )
  })

  it('refuses two sizes for one name, within an input or between inputs', () => {
    expect(() => check({ ...good(), image: zeros(image, [2, 3, 8, 9]) })).toThrow(
      failure('INPUT_SHAPE', { expected: 8, received: 9 }),
    )
    expect(() => check({ ...good(), mask: zeros(mask, [3, 5]) })).toThrow(
      failure('INPUT_SHAPE', {
        expected: 2,
        received: 3,
        message: expect.stringContaining("'batch', got 2 in 'image' and 3 in 'mask'"),
      }),
    )
  })

  it('refuses memory that was transferred to another thread after the tensor was made', () => {
    const feeds = good()
    structuredClone(feeds.mask!.data, { transfer: [feeds.mask!.data.buffer as ArrayBuffer] })
    expect(() => check(feeds)).toThrow(failure('INPUT_BYTE_LENGTH', { expected: 10, received: 0 }))
  })
})

describe('profiles', () => {
  const range = (min: number[], max: number[]) => ({ min, opt: max, max })
  const small = { image: range([1, 3, 8, 8], [4, 3, 8, 8]), mask: range([1, 1], [4, 16]) }
  const large = { image: range([1, 3, 16, 16], [2, 3, 32, 32]), mask: range([1, 17], [2, 64]) }
  const profiles = [small, large]

  it('hold shapes from min to max, both included', () => {
    for (const feeds of [good(1, 8, 1), good(4, 8, 16), good(1, 16, 17), good(2, 32, 64)]) check(feeds, profiles)
  })

  it('are chosen by the first that every input fits', () => {
    const choose = (feeds: Feeds) => profileFor(feeds, inputs, profiles)
    expect([good(1, 8, 1), good(2, 32, 64), good(1, 8, 64), good(5, 8, 1)].map(choose)).toEqual([0, 1, -1, -1])
    expect(profileFor(good(), inputs, [{}, ...profiles])).toBe(0)
  })

  it.each([
    ['image', good(5, 8, 1), [5, 3, 8, 8]],
    ['image', good(1, 12, 1), [1, 3, 12, 12]],
    ['mask', good(1, 8, 65), [1, 65]],
  ])('refuse a shape that none holds: %s', (name, feeds, received) => {
    expect(() => check(feeds, profiles)).toThrow(
      failure('SHAPE_OUTSIDE_PROFILE', {
        received,
        message: expect.stringContaining(`input '${name}'`),
        expected: profiles.map((profile) => profile[name as 'image']),
      }),
    )
  })

  it('refuse shapes that no single one holds together', () => {
    expect(() => check(good(1, 8, 64), profiles)).toThrow(
      failure('SHAPE_OUTSIDE_PROFILE', {
        received: { image: [1, 3, 8, 8], mask: [1, 64] },
        message: expect.stringContaining('No single profile'),
      }),
    )
  })
})

describe('checkOutputNames', () => {
  it('takes names of outputs and refuses others', () => {
    checkOutputNames([], inputs)
    checkOutputNames(['mask', 'mask'], inputs)
    expect(() => checkOutputNames(['mask', 'masks'], inputs)).toThrow(
      failure('OUTPUT_UNKNOWN', { expected: ['image', 'mask'], received: 'masks' }),
    )
  })
})
