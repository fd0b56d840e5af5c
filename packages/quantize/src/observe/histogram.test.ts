import { isLowlatError } from '@lowlat/core'
import { createRandom } from '@lowlat/onnx'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BINS_PER_SIDE, Histogram } from './histogram.ts'

const floats = fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 60 })

function of(...parts: readonly Float32Array[]): Histogram {
  const histogram = new Histogram()
  for (const part of parts) histogram.add(part)
  return histogram
}

const facts = ({ min, max, exponent, counts }: Histogram) => ({ min, max, exponent, counts })

describe('Histogram', () => {
  it('counts every value in the bin that holds it', () => {
    const values = createRandom(1).normals(new Float32Array(5000), 3)
    const { counts, exponent, min, max } = of(values)
    const width = 2 ** exponent
    const expected = new Float64Array(2 * BINS_PER_SIDE)
    for (const value of values) {
      const bin = Array.from(counts.keys()).find(
        (index) => (index - BINS_PER_SIDE) * width <= value && value < (index + 1 - BINS_PER_SIDE) * width,
      )!
      expected[bin]!++
    }
    expect(counts).toEqual(expected)
    expect([min, max]).toEqual([Math.min(...values), Math.max(...values)])
  }, 60_000)

  it('uses at least half of the bins of one side', () => {
    for (const most of [1e-30, 0.7, 1, 6, 1e30]) {
      const { exponent } = of(Float32Array.of(most / 3, most))
      expect(Math.fround(most) / 2 ** exponent).toBeGreaterThanOrEqual(BINS_PER_SIDE / 2)
      expect(Math.fround(most) / 2 ** exponent).toBeLessThan(BINS_PER_SIDE)
    }
  })

  it('does not depend on how the values are batched or in which order they come', () => {
    fc.assert(
      fc.property(fc.array(floats, { minLength: 1, maxLength: 6 }), (parts) => {
        const all = Float32Array.from(parts.flatMap((part) => [...part]))
        const expected = facts(of(all))
        expect(facts(of(...parts))).toEqual(expected)
        expect(facts(of(...parts.toReversed()))).toEqual(expected)
        const merged = new Histogram()
        for (const part of parts) merged.merge(of(part))
        expect(facts(merged)).toEqual(expected)
      }),
    )
  })

  it('takes zeros before anything else is known', () => {
    const histogram = of(new Float32Array(10), Float32Array.of(5, -1))
    expect(histogram.counts[BINS_PER_SIDE]).toBe(10)
    expect(histogram.counts.reduce((a, b) => a + b)).toBe(12)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'refuses %s and counts nothing',
    (value) => {
      const histogram = of(Float32Array.of(1, 2))
      const before = structuredClone(facts(histogram))
      expect(() => histogram.add(Float32Array.of(1, value))).toThrow(
        expect.toSatisfy((error) => isLowlatError(error, 'INVALID_ARGUMENT')),
      )
      expect(facts(histogram)).toEqual(before)
    },
  )
})
