import { describe, expect, it } from 'vitest'
import { groupRows, jsonFromReport } from './report.ts'
import { sampleReport } from './testing/sample-report.ts'

const COLUMNS =
  'suite subject model backend precision scenario batch p50Us p90Us p99Us p999Us throughput cpuUs eventLoopDelayP99Us peakRssBytes ratioToPeer peer top1 top5 drop agreement sizeBytes samplesUs'

describe('jsonFromReport', () => {
  const report = sampleReport()
  const json = JSON.parse(jsonFromReport(report))

  it('holds environment, rows with exactly the documented columns, and what was not measured', () => {
    expect(Object.keys(json)).toEqual(['environment', 'rows', 'unavailable', 'failures'])
    for (const row of json.rows) expect(Object.keys(row)).toEqual(COLUMNS.split(' '))
    expect(json.environment).toEqual(report.environment)
    expect(json.unavailable).toEqual(report.unavailable)
  })

  it('keeps every sample, rounded to a tenth of a microsecond', () => {
    for (const [index, row] of report.rows.entries()) {
      const samples: number[] = json.rows[index].samplesUs
      expect(samples).toHaveLength(row.samplesUs.length)
      for (const [i, sample] of samples.entries()) {
        expect(Math.abs(sample - row.samplesUs[i]!)).toBeLessThanOrEqual(0.05001)
        expect(String(sample)).toMatch(/^\d+(\.\d)?$/)
      }
    }
  })

  it('states how many times as fast as the peer: 1 for the peer, above 1 for what is faster', () => {
    const [own, peer] = json.rows
    expect(peer.ratioToPeer).toBe(1)
    expect(own.ratioToPeer).toBeCloseTo(peer.p50Us / own.p50Us, 3)
    expect(own.ratioToPeer).toBeGreaterThan(1)
  })
})

describe('the rows of the accuracy suite', () => {
  const rows = JSON.parse(jsonFromReport(sampleReport())).rows as Record<string, unknown>[]

  it('have accuracy, which the others have not, and size', () => {
    const [float, quantized] = rows.filter(({ suite }) => suite === 'accuracy')
    expect(float).toMatchObject({ peer: true, precision: 'fp32', drop: 0, agreement: 100, sizeBytes: 13_970_264 })
    expect(quantized).toMatchObject({ peer: false, precision: 'int8', top1: 87.5, top5: 97, drop: 0.75 })
    for (const row of rows.filter(({ suite }) => suite !== 'accuracy')) {
      expect(row).toMatchObject({ top1: null, top5: null, drop: null, agreement: null })
    }
  })
})

describe('groupRows', () => {
  it('brings together what was measured in turns', () => {
    const { rows } = sampleReport()
    const groups = groupRows(rows)
    expect(groups.map((group) => group.length)).toEqual([2, 2, 2, 2, 2, 2, 2, 2])
    expect(groups.flat()).toEqual(rows)
  })
})
