import { float16FromNumber } from '@lowlat/core'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { createNormalize } from './normalize.ts'
import { type ImageOptions, resolveOptions } from './options.ts'
import { imagenet } from './presets.ts'
import { createSimdKernel } from './simd.ts'

const arrays = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array }

const encode = {
  float32: Math.fround,
  float16: float16FromNumber,
  uint8: (value: number) => Math.max(0, Math.min(255, Math.round(value))),
}

/** The definition, one element at a time, and how far off an element may be. */
function expected(pixels: Uint8Array, options: ImageOptions): { element: number; tolerance: number }[] {
  const { channelOrder, layout, scale, mean, std, dtype } = resolveOptions(options)
  const count = pixels.length / 3
  const out: { element: number; tolerance: number }[] = []
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      const x = pixels[i * 3 + (channelOrder === 'RGB' ? c : 2 - c)]! * scale[c]!
      const term = Math.max(Math.abs(x), Math.abs(mean[c]!)) / std[c]!
      out[layout === 'NCHW' ? c * count + i : i * 3 + c] = {
        element: encode[dtype]((x - mean[c]!) / std[c]!),
        tolerance: dtype === 'float32' ? term * 2 ** -21 : 0,
      }
    }
  }
  return out
}

function expectNormalized(out: ArrayLike<number>, pixels: Uint8Array, options: ImageOptions): void {
  const all = expected(pixels, options)
  expect(out.length).toBe(all.length)
  expect(all.findIndex(({ element, tolerance }, i) => !(Math.abs(out[i]! - element) <= tolerance))).toBe(-1)
}

describe('normalise', () => {
  // Thousandths, since constants below float32's normal range have no relative precision.
  const triple = (min: number, max: number) => {
    const value = fc.integer({ min: min * 1000, max: max * 1000 }).map((thousandths) => thousandths / 1000)
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
        expectNormalized(out, pixels, chosen)
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
        expectNormalized(batch.subarray(39, 78), pixels, { dtype, channelOrder: 'BGR' })
        expect([...batch.subarray(0, 39), ...batch.subarray(78)].every((element) => element === 7)).toBe(true)
      }
    }
  })

  it('gives the same bits with and without WebAssembly, for images of many chunks', () => {
    const pixels = Uint8Array.from({ length: 3 * 5003 }, (_, i) => (i * 7919) >>> 3)
    for (const layout of ['NCHW', 'NHWC'] as const) {
      for (const channelOrder of ['RGB', 'BGR'] as const) {
        const chosen = { ...imagenet, layout, channelOrder }
        const run = () => {
          const out = new Float32Array(pixels.length)
          createNormalize(resolveOptions(chosen))(pixels, out)
          return out
        }
        const vectors = run()
        expectNormalized(vectors, pixels, chosen)
        vi.stubGlobal('WebAssembly', undefined)
        try {
          expect(run()).toEqual(vectors)
        } finally {
          vi.unstubAllGlobals()
        }
      }
    }
  })

  it('uses WebAssembly where there is any', () => {
    const unit = [1, 1, 1, 1] as const
    const kernel = createSimdKernel({
      bytes: [unit, unit, unit],
      factors: [unit, unit, unit],
      summands: [unit, unit, unit],
    })
    expect(kernel?.memory.byteLength).toBe(65_536)
  })

  it('is exact where the constants are', () => {
    const pixels = Uint8Array.from({ length: 768 }, (_, i) => i)
    const out = new Float32Array(768)
    createNormalize(resolveOptions({ mean: 128, std: 128, layout: 'NHWC' }))(pixels, out)
    expect([...out]).toEqual(Array.from(pixels, (x) => (x - 128) / 128))
  })

  it('leaves uint8 RGB pixels as they are in NHWC', () => {
    const pixels = Uint8Array.from({ length: 30 }, (_, i) => i * 8)
    const out = new Uint8Array(30)
    createNormalize(resolveOptions({ dtype: 'uint8', layout: 'NHWC' }))(pixels, out)
    expect(out).toEqual(pixels)
  })
})
