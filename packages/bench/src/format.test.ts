import { describe, expect, it } from 'vitest'
import { formatBytes, formatDifference, formatPercentile, formatRate, formatSpeedUp, formatTime } from './format.ts'

describe('figures', () => {
  it('show three digits in the unit that suits them', () => {
    expect([0, 0.061, 4.567, 45.67, 456.7, 999.6, 4567, 45_670, 456_700, 4_567_000].map(formatTime)).toEqual([
      '0.00 µs',
      '0.06 µs',
      '4.57 µs',
      '45.7 µs',
      '457 µs',
      '1.00 ms',
      '4.57 ms',
      '45.7 ms',
      '457 ms',
      '4.57 s',
    ])
    expect([5.678, 567.8, 56_780].map(formatRate)).toEqual(['5.68', '568', '56.8k'])
    expect([3e8, 24e9].map(formatBytes)).toEqual(['300 MB', '24.0 GB'])
  })

  it('show differences with their sign', () => {
    expect(formatDifference(117)).toBe('+117 µs')
    expect(formatDifference(-1170)).toBe('−1.17 ms')
  })

  it('mark a percentile that is only the maximum', () => {
    expect(formatPercentile(5000, 0.999, 999)).toBe('≤ 5.00 ms')
    expect(formatPercentile(5000, 0.999, 1000)).toBe('5.00 ms')
  })

  it('put ratios into words', () => {
    expect([2.345, 0.5, 1.001, 0.9999].map(formatSpeedUp)).toEqual(['2.35x faster', '2.00x slower', 'equal', 'equal'])
  })
})
