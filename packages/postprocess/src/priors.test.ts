import { describe, expect, it } from 'vitest'
import { ssdPriors } from './priors.ts'

describe('ssdPriors', () => {
  it('lists cells row by row, and the sizes of each', () => {
    const priors = ssdPriors(32, 16, [{ stride: 16, sizes: [8, 16] }])
    expect([...priors]).toEqual([
      ...[0.25, 0.5, 0.25, 0.5],
      ...[0.25, 0.5, 0.5, 1],
      ...[0.75, 0.5, 0.25, 0.5],
      ...[0.75, 0.5, 0.5, 1],
    ])
  })

  it('has as many anchors as UltraFace at 320x240, none beyond the input', () => {
    const priors = ssdPriors(320, 240, [
      { stride: 8, sizes: [10, 16, 24] },
      { stride: 16, sizes: [32, 48] },
      { stride: 32, sizes: [64, 96] },
      { stride: 64, sizes: [128, 192, 256] },
    ])
    expect(priors.length).toBe(4420 * 4)
    expect(Math.max(...priors)).toBe(1)
  })

  it('refuses sizes that are not positive', () => {
    const invalid = expect.objectContaining({ code: 'CONFIG_INVALID' })
    expect(() => ssdPriors(0, 240, [])).toThrow(invalid)
    expect(() => ssdPriors(320, 240, [{ stride: 0, sizes: [1] }])).toThrow(invalid)
    expect(() => ssdPriors(320, 240, [{ stride: 8, sizes: [] }])).toThrow(invalid)
  })
})
