import { InputError } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { reportFromJson } from './read-report.ts'
import { jsonFromReport } from './report.ts'
import { sampleReport } from './testing/sample-report.ts'

describe('reportFromJson', () => {
  const report = sampleReport()
  const read = reportFromJson(jsonFromReport(report))

  it('gives back what was written, with times rounded', () => {
    expect(read.environment).toEqual(report.environment)
    expect(read.unavailable).toEqual(report.unavailable)
    expect(read.rows.map(({ subject, suite }) => [subject, suite])).toEqual(
      report.rows.map(({ subject, suite }) => [subject, suite]),
    )
    for (const [index, { p99Us, samplesUs }] of read.rows.entries()) {
      expect(p99Us).toBeCloseTo(report.rows[index]!.p99Us, 0)
      expect(samplesUs).toBeInstanceOf(Float64Array)
      expect(samplesUs).toHaveLength(report.rows[index]!.samplesUs.length)
    }
    expect(jsonFromReport(read)).toBe(jsonFromReport(report))
  })

  it('knows the peer of each group', () => {
    expect(read.rows.map(({ peer }) => peer)).toEqual(report.rows.map(({ peer }) => peer))
  })

  it.each([
    ['', /not JSON/],
    ['null', /got null/],
    ['7', /got a number/],
    ['{"a": 1}', /keys a\b/],
    ['{"environment": {}, "rows": [{"suite": "latency"}]}', /keys environment, rows/],
    ['{"environment": null, "rows": []}', /keys environment, rows/],
    ['{"environment": {}, "rows": []}', /keys environment, rows/],
  ])('refuses %j', (text, message) => {
    expect(() => reportFromJson(text)).toThrow(InputError)
    expect(() => reportFromJson(text)).toThrow(message)
    expect(() => reportFromJson(text)).toThrow(/bench --json FILE/)
  })
})
