import { float16FromNumber } from '@lowlat/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createNormalize } from './normalize.ts'
import { type ImageOptions, resolveOptions } from './options.ts'

const arrays = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array }

const encode = {
  float32: Math.fround,
  float16: float16FromNumber,
  uint8: (value: number) => Math.max(0, Math.min(255, Math.round(value))),
}

/** The definition, one element at a time. */
function expected(pixels: Uint8Array, options: ImageOptions): number[] {
  const { channelOrder, layout, scale, mean, std, dtype } = resolveOptions(options)
  const count = pixels.length / 3
  const out: number[] = []
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      const x = pixels[i * 3 + (channelOrder === 'RGB' ? c : 2 - c)]!
      out[layout === 'NCHW' ? c * count + i : i * 3 + c] = encode[dtype]((x * scale[c]! - mean[c]!) / std[c]!)
    }
  }
  return out
}

describe('normalise', () => {
  const triple = (min: number, max: number) => {
    const value = fc.double({ min, max, noNaN: true })
    return fc.tuple(value, value, value)
  }
  const options = fc.record({
    channelOrder: fc.constantFrom('RGB' as const, 'BGR' as const),
    layout: fc.constantFrom('NCHW' as const, 'NHWC' as const),
    dtype: fc.constantFrom('float32' as const, 'float16' as const, 'uint8' as const),
    scale: triple(-2, 2),
    mean: triple(-200, 200),
    std: triple(0.1, 100),
  })

  it('gives (x * scale - mean) / std in any order, layout and dtype, for any number of pixels', () => {
    fc.assert(
      fc.property(options, fc.uint8Array({ minLength: 1, maxLength: 40 }), (chosen, bytes) => {
        const pixels = new Uint8Array([...bytes, ...bytes, ...bytes])
        const out = new arrays[chosen.dtype](pixels.length)
        createNormalize(resolveOptions(chosen))(pixels, out)
        expect([...out]).toEqual(expected(pixels, chosen))
      }),
    )
  })

  it('reads pixels at any offset in memory and writes only its own elements', () => {
    const memory = Uint8Array.from({ length: 64 }, (_, i) => i * 3)
    for (const dtype of ['float32', 'float16', 'uint8'] as const) {
      for (let offset = 0; offset < 5; offset++) {
        const pixels = memory.subarray(offset, offset + 39)
        const batch = new arrays[dtype](39 * 3).fill(7)
        createNormalize(resolveOptions({ dtype, channelOrder: 'BGR' }))(pixels, batch.subarray(39, 78))
        expect([...batch.subarray(39, 78)]).toEqual(expected(pixels, { dtype, channelOrder: 'BGR' }))
        expect([...batch.subarray(0, 39), ...batch.subarray(78)].every((element) => element === 7)).toBe(true)
      }
    }
  })

  it('leaves uint8 RGB pixels as they are in NHWC', () => {
    const pixels = Uint8Array.from({ length: 30 }, (_, i) => i * 8)
    const out = new Uint8Array(30)
    createNormalize(resolveOptions({ dtype: 'uint8', layout: 'NHWC' }))(pixels, out)
    expect(out).toEqual(pixels)
  })
})
