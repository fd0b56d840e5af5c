import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SampleBuffer } from './sample-buffer.ts'
import { isResolved, measureTimerCostUs, median, pairedDifference, percentile, summarize } from './statistics.ts'

const latencies = fc.array(fc.double({ min: 0, max: 1e7, noNaN: true }), { minLength: 1, maxLength: 400 })
const sortedOf = (values: number[]) => Float64Array.from(values).sort()

describe('percentile', () => {
  it('is a sample that at least q of the samples do not exceed, and the smallest such sample', () => {
    fc.assert(
      fc.property(latencies, fc.integer({ min: 1, max: 1000 }), (values, perMille) => {
        const found = percentile(sortedOf(values), perMille / 1000)
        const notAbove = (bound: number) => values.filter((value) => value <= bound).length * 1000
        expect(values).toContain(found)
        expect(notAbove(found)).toBeGreaterThanOrEqual(perMille * values.length)
        for (const smaller of values.filter((value) => value < found)) {
          expect(notAbove(smaller)).toBeLessThan(perMille * values.length)
        }
      }),
    )
  })

  it('takes exact ranks where q times the count is whole', () => {
    const thousand = Float64Array.from({ length: 1000 }, (_, i) => i + 1)
    expect(percentile(thousand, 0.5)).toBe(500)
    expect(percentile(thousand, 0.9)).toBe(900)
    expect(percentile(thousand, 0.99)).toBe(990)
    expect(percentile(thousand, 0.999)).toBe(999)
    expect(percentile(thousand, 1)).toBe(1000)
  })

  it('refuses an empty set and fractions outside (0, 1]', () => {
    expect(() => percentile(new Float64Array(0), 0.5)).toThrow(/at least one sample/)
    expect(() => percentile(new Float64Array(1), 99)).toThrow(/fraction/)
    expect(() => percentile(new Float64Array(1), Number.NaN)).toThrow(/fraction/)
  })
})

describe('summarize', () => {
  it('orders its percentiles and leaves the samples in the order in which they came', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        const samples = Float64Array.from(values)
        const { minUs, p50Us, p90Us, p99Us, p999Us, maxUs, count } = summarize(samples)
        const ordered = [minUs, p50Us, p90Us, p99Us, p999Us, maxUs]
        expect(ordered).toEqual([...ordered].sort((a, b) => a - b))
        expect(count).toBe(values.length)
        expect([...samples]).toEqual(values)
      }),
    )
  })

  it('marks a percentile as resolved only where a sample lies above it', () => {
    expect(isResolved(999, 0.999)).toBe(false)
    expect(isResolved(1000, 0.999)).toBe(true)
    expect(isResolved(99, 0.99)).toBe(false)
    expect(isResolved(100, 0.99)).toBe(true)
    expect(isResolved(1, 0.5)).toBe(false)
  })

  it('takes the middle sample as the median', () => {
    expect(median([5, 1, 3])).toBe(3)
    expect(median([4, 1, 3, 2])).toBe(2)
  })
})

describe('pairedDifference', () => {
  it('cancels whatever both samples of a pair have in common', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 1, maxLength: 200 }), (moods) => {
        const b = Float64Array.from(moods)
        expect(
          pairedDifference(
            b.map((value) => value + 130),
            b,
          ),
        ).toEqual({ median: 130, low: 130, high: 130 })
      }),
    )
  })

  it('gives the interval of a median: 95 % of all intervals hold it', () => {
    const differences = Float64Array.from({ length: 10_000 }, (_, i) => i + 1)
    expect(pairedDifference(differences, new Float64Array(10_000))).toEqual({ median: 5000, low: 4902, high: 5098 })
  })

  it('refuses samples that are no pairs', () => {
    expect(() => pairedDifference(new Float64Array(3), new Float64Array(2))).toThrow(/3 and 2/)
    expect(() => pairedDifference(new Float64Array(0), new Float64Array(0))).toThrow(/at least one sample/)
  })
})

describe('measureTimerCostUs', () => {
  it('is the gap between two readings', () => {
    let nowUs = 0
    expect(measureTimerCostUs(() => (nowUs += 0.25), 100)).toBe(0.25)
  })
})

describe('SampleBuffer', () => {
  it('keeps every sample in order while it grows', () => {
    const buffer = new SampleBuffer()
    const values = Float64Array.from({ length: 5000 }, (_, i) => i / 2)
    buffer.push(-1)
    buffer.append(values)
    expect(buffer.length).toBe(5001)
    expect([...buffer.toArray()]).toEqual([-1, ...values])
  })

  it.each([10, 25])('keeps at most %i, spread evenly over all that came', (maxSamples) => {
    const buffer = new SampleBuffer(maxSamples)
    buffer.append(Float64Array.from({ length: 1000 }, (_, i) => i))
    const kept = [...buffer.toArray()]
    expect(buffer.offered).toBe(1000)
    expect(kept.length).toBeGreaterThan(maxSamples / 3)
    expect(kept.length).toBeLessThanOrEqual(maxSamples)
    expect(kept).toEqual(kept.map((_, i) => i * kept[1]!))
    expect(kept.at(-1)! + kept[1]!).toBeGreaterThanOrEqual(1000)
  })
})
