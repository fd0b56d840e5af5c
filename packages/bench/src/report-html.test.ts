import { describe, expect, it } from 'vitest'
import type { Report } from './report.ts'
import { htmlFromReport } from './report-html.ts'
import { tableFromReport } from './table.ts'
import { sampleReport } from './testing/sample-report.ts'

describe('htmlFromReport', () => {
  const report = sampleReport()
  const html = htmlFromReport(report)

  it('refers to nothing outside itself', () => {
    expect(html).not.toMatch(/https?:|\/\/[a-z]|<script|<link|<img|<iframe|@import|url\(/i)
  })

  it('draws a distribution per group and a histogram and a strip per row, each described in words', () => {
    expect(html.match(/<svg[^>]*aria-label="Distribution of latencies/g)).toHaveLength(6)
    expect(html.match(/<svg[^>]*aria-label="Histogram of /g)).toHaveLength(report.rows.length)
    expect(html.match(/<svg class="strip"/g)).toHaveLength(report.rows.length)
    expect(html.match(/<svg(?![^>]*role="img")/g)).toBeNull()
  })

  it('draws finite coordinates only, also for a single sample and for equal ones', () => {
    const [row, ...rows] = report.rows
    const flat = { ...row!, samplesUs: new Float64Array(5).fill(7) }
    const single = { ...row!, subject: 'another', samplesUs: Float64Array.of(7) }
    for (const text of [html, htmlFromReport({ ...report, rows: [flat, single, ...rows] })]) {
      expect(text).not.toMatch(/NaN|Infinity|undefined|null/)
    }
  })

  it('counts every sample of a histogram in one bar, but for those beyond its end', () => {
    const [first] = html.match(/aria-label="Histogram of [\s\S]*?<\/svg>/g)!
    const counts = [...first.matchAll(/: (\d+)<\/title>/g)].map(([, count]) => Number(count))
    const total = counts.reduce((sum, count) => sum + count, 0)
    const { length } = report.rows[0]!.samplesUs
    expect(total).toBeLessThanOrEqual(length)
    expect(total).toBeGreaterThanOrEqual(Math.floor(0.99 * length))
  })

  it('shows texts as texts', () => {
    const hostile = '<b onload="x">&\''
    const rows = report.rows.map((row) => ({ ...row, subject: hostile, model: hostile }))
    const failures = [{ suite: 'latency', subject: hostile, model: hostile, scenario: 'x', batch: 1, reason: hostile }]
    const text = htmlFromReport({ ...report, rows, failures } as Report)
    expect(text).not.toContain('<b onload')
    expect(text).toContain('&lt;b onload=&quot;x&quot;&gt;&amp;&#39;')
  })

  it('lists what is not available, with reason and remedy', () => {
    expect(html).toContain('Not available here')
    expect(html).toContain('Install &lt;it&gt;.')
  })

  it('says so when nothing was measured', () => {
    expect(htmlFromReport({ ...report, rows: [] })).toContain('Environment')
  })
})

describe('tableFromReport', () => {
  it('shows every row, what it comes down to, and what is missing', () => {
    const text = tableFromReport(sampleReport())
    expect(text.match(/plain onnxruntime-node {2}/g)!.length).toBeGreaterThanOrEqual(6)
    expect(text).toMatch(/lowlat \(cpu\) .* 1\.04x faster/)
    expect(text).toMatch(/lowlat \(cpu\) .* 1\.8\d\dx time/)
    expect(text).toContain("cuda (fp32): The backend 'cuda' is not installed. Install <it>.")
    expect(text).toMatch(/≤ \d/)
  })
})
