import { describe, expect, it } from 'vitest'
import { monotonicUs } from './clock.ts'
import { Timeline } from './timeline.ts'

describe('a timeline', () => {
  it('keeps spans in the order in which they ended, and adds up each segment', () => {
    const timeline = new Timeline(100)
    timeline.span('queue', 100, 130)
    timeline.span('compute', 130, 200, 'infer')
    timeline.span('queue', 200, 205)
    expect(timeline.spans).toEqual([
      { segment: 'queue', startUs: 100, endUs: 130 },
      { segment: 'compute', startUs: 130, endUs: 200, label: 'infer' },
      { segment: 'queue', startUs: 200, endUs: 205 },
    ])
    expect([timeline.durationUs('queue'), timeline.durationUs('compute'), timeline.durationUs('h2d')]).toEqual([
      35, 70, 0,
    ])
  })

  it('lasts until its first end, and until now before that', () => {
    const timeline = new Timeline(monotonicUs())
    expect(timeline.totalUs).toBeGreaterThanOrEqual(0)
    timeline.end(timeline.startUs + 50)
    timeline.end(timeline.startUs + 70)
    expect(timeline.totalUs).toBeCloseTo(50)
    const running = new Timeline()
    const earlier = running.totalUs
    expect(running.totalUs).toBeGreaterThanOrEqual(earlier)
  })

  it('goes to JSON with offsets from its start', () => {
    const timeline = new Timeline(1000)
    timeline.span('preprocess', 1010, 1030, 'decode')
    timeline.end(1100)
    expect(JSON.parse(JSON.stringify(timeline))).toEqual({
      totalUs: 100,
      spans: [{ segment: 'preprocess', startUs: 1010, endUs: 1030, label: 'decode', offsetUs: 10, durationUs: 20 }],
    })
  })
})
