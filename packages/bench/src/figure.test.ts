import { describe, expect, it } from 'vitest'
import { comparisonsOf } from './comparisons.ts'
import { figureFromReport } from './figure.ts'
import { markdownFromReport } from './markdown.ts'
import { sampleReport } from './testing/sample-report.ts'

const sample = sampleReport()
const model = 'resnet50 (generated weights, latency only)'
/** The sample with its larger models called ResNet-50, as in the default run. */
const report = { ...sample, rows: sample.rows.map((row) => (row.p50Us > 1000 ? { ...row, model } : row)) }

describe('comparisonsOf', () => {
  const comparisons = comparisonsOf(report.rows)

  it('compares lowlat with its peer in six respects', () => {
    const texts = comparisons.map(({ title, own, peer }) => [title, own.text, peer.text])
    expect(texts.map(([title]) => title)).toEqual([
      'JPEG to classes, one at a time',
      'JPEG to classes, random arrivals',
      'Tensor to tensor',
      'Load and first answer',
      'Event-loop delay, p99',
      'Peak memory of the process',
    ])
    expect(comparisons[3]!.verdict).toMatch(/^2\.\d\dx faster$/)
    expect(comparisons[4]!.verdict).toBe('equal')
  })

  it('says that the tail is only the maximum where there are few samples', () => {
    expect(comparisons[0]!.own.tail!.text).toMatch(/^p99 /)
    expect(comparisons[3]!.own.tail!.text).toMatch(/^max /)
  })

  it('says so when lowlat is slower or takes more', () => {
    const rows = report.rows.map((row) => (row.peer ? row : { ...row, p50Us: 2e6, peakRssBytes: 6e8 }))
    const verdicts = comparisonsOf(rows).map(({ verdict }) => verdict)
    expect(verdicts.slice(0, 4)).toEqual(Array(4).fill(expect.stringContaining('slower')))
    expect(verdicts[5]).toBe('2.00x more')
  })

  it('asks for the default run where rows are missing', () => {
    const rows = report.rows.filter(({ suite }) => suite !== 'coldstart')
    expect(() => comparisonsOf(rows)).toThrow(/coldstart.*Run the default bench/)
  })
})

describe('figureFromReport', () => {
  const svg = figureFromReport(report)

  it('refers to nothing outside itself and has a look for dark pages', () => {
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<script|<image|@import|url\(/i)
    expect(svg).toContain('prefers-color-scheme: dark')
  })

  it('names machine, versions, date and that the weights are generated', () => {
    for (const fact of ['Example CPU, 2 cores', '2026-01-02', '20.20.2', '1.30.0', 'abc1234', 'Generated weights']) {
      expect(svg).toContain(fact)
    }
  })

  it('draws finite coordinates within its frame', () => {
    expect(svg).not.toMatch(/NaN|Infinity|undefined|null/)
    for (const [, x] of svg.matchAll(/ x="([\d.]+)"/g)) expect(Number(x)).toBeLessThanOrEqual(880)
  })

  it('says in words what it shows', () => {
    expect(svg).toMatch(/<desc[^>]*>JPEG to classes, one at a time: lowlat [\d.]+ ms \(p99 [^)]+\), plain/)
  })
})

describe('markdownFromReport', () => {
  const markdown = markdownFromReport(report)

  it('has a line per row, with as many cells as the head', () => {
    const lines = markdown.split('\n').filter((line) => line.startsWith('|'))
    expect(lines).toHaveLength(report.rows.length + 2 * 8)
    const cells = lines.map((line) => line.split('|').length)
    const [latency, accuracy, int8] = [cells.slice(0, -8), cells.slice(-8, -4), cells.slice(-4)]
    for (const tables of [latency, accuracy, int8]) expect(new Set(tables).size).toBe(1)
  })

  it('shows texts as texts', () => {
    const rows = report.rows.map((row) => ({ ...row, subject: 'a|b <i>*c*' }))
    expect(markdownFromReport({ ...report, rows })).toContain('| a\\|b \\<i\\>\\*c\\* (cpu) |')
  })

  it('lists what was not available', () => {
    expect(markdown).toContain("cuda (fp32) was not available: The backend 'cuda' is not installed.")
  })
})
