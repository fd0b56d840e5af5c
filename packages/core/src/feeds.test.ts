import { describe, expect, it } from 'vitest'
import type { Feeds, OptimizationProfile, TensorInfo } from './contract.ts'
import { checkFeeds, outputNamesFrom, profileFor, workKey } from './feeds.ts'
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

describe('properties of the feeds', () => {
  it('count when they are the own, enumerable ones', () => {
    check(Object.assign(Object.create(null), good()))
    const { image: own, mask: other } = good()
    const missing = failure('INPUT_MISSING', { received: ['image'] })
    expect(() => check(Object.assign(Object.create({ mask: other }), { image: own }))).toThrow(missing)
    expect(() => check(Object.defineProperty({ image: own }, 'mask', { value: other, enumerable: false }))).toThrow(
      missing,
    )
    class Lazy {
      image = own
      get mask() {
        return other
      }
    }
    expect(() => check(new Lazy())).toThrow(missing)
    check(Object.assign(Object.create({ unknown: own }), good())) // inherited: none of the feeds
  })

  it('are read once: what is returned stays what was checked', () => {
    const { image: first, mask: own } = good()
    let reads = 0
    const feeds = {
      get image() {
        return reads++ === 0 ? first : 'something else'
      },
      mask: own,
    }
    const checked = check(feeds)
    feeds.mask = undefined
    expect([checked.image === first, checked.mask === own, reads, Object.keys(checked)]).toEqual([
      ...[true, true, 1, ['image', 'mask']],
    ])
  })

  it.each(['__proto__', 'constructor', 'toString'])("may be called '%s'", (name) => {
    const expectation = { inputs: [{ name, dtype: 'float32', shape: [1] } as TensorInfo], profiles: [] }
    const tensor = Tensor.zeros('float32', [1])
    const checked = checkFeeds({ [name]: tensor }, expectation)
    expect([Object.keys(checked), checked[name]]).toEqual([[name], tensor])
    expect(() => checkFeeds({}, expectation)).toThrow(failure('INPUT_MISSING'))
    expect(() => check({ ...good(), [name]: tensor })).toThrow(failure('INPUT_UNKNOWN', { received: name }))
  })

  it('may hold memory that threads share', () => {
    check({ ...good(), mask: new Tensor('bool', [2, 5], new Uint8Array(new SharedArrayBuffer(10))) })
  })
})

describe('outputNamesFrom', () => {
  it('takes names of outputs, in a list of its own, and refuses others', () => {
    const names = ['mask', 'mask']
    const own = outputNamesFrom(names, inputs)
    expect([own, own === names, outputNamesFrom(undefined, inputs)]).toEqual([names, false, undefined])
    expect(() => outputNamesFrom(['mask', 'masks'], inputs)).toThrow(
      failure('OUTPUT_UNKNOWN', { expected: ['image', 'mask'], received: 'masks' }),
    )
  })

  it.each([[5], ['mask'], [[]], [null], [[Symbol('mask')]], [{ 0: 'mask', length: 1 }]])('refuses %o', (names) => {
    expect(() => outputNamesFrom(names as never, inputs)).toThrow(failure('INVALID_ARGUMENT', { received: names }))
  })
})

describe('workKey', () => {
  it('tells apart the sizes of named axes and the outputs asked for, and nothing else', () => {
    const keys = [
      workKey(good(2, 8, 5), inputs, undefined),
      workKey(good(2, 8, 6), inputs, undefined),
      workKey(good(1, 8, 5), inputs, undefined),
      workKey(good(2, 85, 5), inputs, undefined),
      workKey(good(2, 8, 5), inputs, ['image']),
    ]
    expect(new Set(keys).size).toBe(keys.length)
    expect(workKey(good(2, 8, 5), inputs, undefined)).toBe(keys[0])
    expect(workKey(good(), [{ ...image, shape: [2, 3, 8, 8] }], undefined)).toBe('')
  })
})
