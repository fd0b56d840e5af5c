import { describe, expect, it, vi } from 'vitest'
import { type ImageOptions, resolveOptions } from './options.ts'
import * as presets from './presets.ts'

const invalid: [string, Record<string, unknown>][] = [
  ['an unknown option', { resise: 256 }],
  ['a zero size', { resize: 0 }],
  ['a fractional size', { crop: 224.5 }],
  ['a negative side', { resize: [224, -1] }],
  ['three sides', { letterbox: [1, 2, 3] }],
  ['a size as text', { resize: '256' }],
  ['a crop larger than the resized image', { resize: 224, crop: 256 }],
  ['a crop wider than the resized image', { resize: [100, 300], crop: 200 }],
  ['a letterbox beside a resize', { letterbox: 416, resize: 256 }],
  ['padding without a letterbox', { padColor: 114 }],
  ['a fraction above 1', { centralFraction: 1.1 }],
  ['a fraction of nothing', { centralFraction: 0 }],
  ['a standard deviation of zero', { std: [1, 0, 1] }],
  ['a mean of two channels', { mean: [1, 2] }],
  ['a mean that is not a number', { mean: Number.NaN }],
  ['a colour beyond 255', { background: 256 }],
  ['an unknown dtype', { dtype: 'int8' }],
  ['an unknown layout', { layout: 'CHW' }],
  ['an unknown interpolation', { interpolation: 'area' }],
  ['a flag as text', { autoOrient: 'yes' }],
  ['a limit of zero pixels', { limitInputPixels: 0 }],
  ['a number that JSON cannot write', { resize: 10n }],
  ['null for a default', { mean: null }],
  ['a shorter side whose square is beyond every limit', { resize: 1e6 }],
  ['more pixels than the limit, scaled', { resize: [1001, 1000], limitInputPixels: 1e6 }],
  ['more pixels than the limit, cut out', { crop: [1000, 1001], limitInputPixels: 1e6 }],
  ['more pixels than the limit, padded', { letterbox: 1001, limitInputPixels: 1e6 }],
  ['no decoding at all', { concurrency: 0 }],
  ['a queue of less than nothing', { maxQueue: -1 }],
  ['a queue without bounds', { maxQueue: Number.POSITIVE_INFINITY }],
  ['a misspelt option of the queue', { maxqueue: 8 }],
]

describe('image options', () => {
  it.each(invalid)('refuse %s', (_, options) => {
    expect(() => resolveOptions(options as ImageOptions)).toThrow(
      expect.objectContaining({ name: 'ConfigError', code: 'CONFIG_INVALID', remedy: expect.stringMatching(/./) }),
    )
  })

  it.each([null, 'x', 7, [], 10n])('refuse %s instead of an object', (options) => {
    expect(() => resolveOptions(options as ImageOptions)).toThrow(
      expect.objectContaining({ name: 'ConfigError', code: 'CONFIG_INVALID' }),
    )
  })

  it('name the option, the limit and the size that would be beyond it', () => {
    expect(() => resolveOptions({ letterbox: [2000, 1000], limitInputPixels: 1e6 })).toThrow(
      /'letterbox': expected at most 1000000 pixels \(`limitInputPixels`\), got '2000x1000'/,
    )
    expect(resolveOptions({ letterbox: 1000, limitInputPixels: 1e6 }).letterbox).toEqual([1000, 1000])
  })

  it.each([
    [undefined, 4],
    ['16', 16],
    ['0', 1],
    ['many', 1],
    ['100000', 1024],
  ])('decode as many at once as libuv has threads: UV_THREADPOOL_SIZE %s gives %d', (size, expected) => {
    vi.stubEnv('UV_THREADPOOL_SIZE', size)
    try {
      expect(resolveOptions({})).toMatchObject({ concurrency: expected, maxQueue: 1024 })
      expect(resolveOptions({ concurrency: 2, maxQueue: 0 })).toMatchObject({ concurrency: 2, maxQueue: 0 })
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('fill in defaults and write shorthands out', () => {
    expect(resolveOptions({ crop: 224, mean: 128 })).toMatchObject({
      crop: [224, 224],
      mean: [128, 128, 128],
      std: [1, 1, 1],
      layout: 'NCHW',
      dtype: 'float32',
      channelOrder: 'RGB',
    })
  })

  it.each(Object.entries(presets))('take the preset %s with a size', (_, preset: ImageOptions) => {
    const size: ImageOptions = preset.letterboxAlign ? { letterbox: 416 } : { resize: 256, crop: 224 }
    expect(resolveOptions({ ...preset, ...size })).toMatchObject({ channelOrder: preset.channelOrder })
  })
})
