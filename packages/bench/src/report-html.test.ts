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
    expect(html.match(/<svg[^>]*aria-label="Distribution of latencies/g)).toHaveLength(8)
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

  it('shows how accurate and how large models are', () => {
    const text = tableFromReport(report)
    for (const figure of ['88.25 %', '98.50 %', '765 kB', '0.75']) {
      expect(html).toContain(figure)
      expect(text).toContain(figure)
    }
    expect(html).toContain('<th scope="col">top-1</th>')
  })

  it('says so when nothing was measured', () => {
    expect(htmlFromReport({ ...report, rows: [] })).toContain('Environment')
  })
})

describe('tableFromReport', () => {
  it('says so when INT8 gains nothing', () => {
    const report = sampleReport()
    const rows = report.rows.map((row) => (row.precision === 'int8' ? { ...row, ratioToPeer: 0.42 } : row))
    expect(tableFromReport({ ...report, rows })).toMatch(
      /2\.38x slower in INT8, .*it gains nothing here: keep the float/,
    )
    expect(tableFromReport(report)).not.toContain('gains nothing')
  })

  it('shows every row, what it comes down to, and what is missing', () => {
    const text = tableFromReport(sampleReport())
    expect(text.match(/plain onnxruntime-node {2}/g)!.length).toBeGreaterThanOrEqual(6)
    expect(text).toMatch(/lowlat \(cpu\) .* 1\.04x faster/)
    expect(text).toMatch(/lowlat \(cpu\) .* 1\.8\d\dx time/)
    expect(text).toMatch(/FP32 +88\.25 % +96\.50 % +– +– .* peer +14\.0 MB/)
    expect(text).toMatch(/INT8 PTQ, auto +87\.50 % +97\.00 % +0\.75 +98\.50 % .* 2\.0\dx faster +765 kB/)
    expect(text).toMatch(/2\.0\dx faster in INT8, a classifier.*: top-1 87\.50 % against 88\.25 %/)
    expect(text).toContain("cuda (fp32): The backend 'cuda' is not installed. Install <it>.")
    expect(text).toMatch(/≤ \d/)
  })
})
