import { describe, expect, it } from 'vitest'
import { type LoadGroup, runGroup } from './driver.ts'
import type { Entry } from './group.ts'

const session: Entry = { subject: 'session', backend: 'echo', peer: false, spec: { kind: 'null-session' } }
const context: Entry = { subject: 'context', backend: 'echo', peer: true, spec: { kind: 'null-context' } }
const model = { path: 'no-such-model.onnx', label: 'none', inputs: [], imageSize: undefined }
const load = { model, batch: 1 }
/** Looked at only by a backend that is there. */
const anyFile = { ...model, path: 'package.json' }
const absent: Entry = {
  subject: 'absent',
  backend: 'no-such',
  peer: false,
  spec: { kind: 'lowlat', load: { model: anyFile, batch: 1 }, session: { backend: 'no-such', precision: 'fp32' } },
}
const broken: Entry = { subject: 'broken', backend: 'none', peer: false, spec: { kind: 'plain', load } }

const group = (entries: readonly Entry[], changes: Partial<LoadGroup> = {}): LoadGroup => ({
  suite: 'overhead',
  model: 'none',
  precision: 'fp32',
  scenario: 'single-stream',
  batch: 1,
  entries,
  seconds: 0.1,
  maxSamples: 2000,
  sameAnswers: true,
  ...changes,
})

describe('runGroup', () => {
  it('measures subjects in processes of their own and compares them with the peer', async () => {
    const shares: number[] = []
    const { rows, unavailable, failures } = await runGroup(group([session, context]), (share) => shares.push(share))
    expect({ unavailable, failures }).toEqual({ unavailable: [], failures: [] })
    expect(rows.map(({ subject, peer }) => ({ subject, peer }))).toEqual([
      { subject: 'session', peer: false },
      { subject: 'context', peer: true },
    ])
    const [own, peer] = rows
    expect(own!.ratioToPeer).toBe(peer!.p50Us / own!.p50Us)
    expect(peer!.ratioToPeer).toBe(1)
    for (const row of rows) {
      expect(row.samplesUs.length).toBeGreaterThan(0)
      expect(row.samplesUs.length).toBeLessThanOrEqual(2000)
      expect(row.cpuUs).toBeGreaterThan(0)
      expect(row.throughput).toBeGreaterThan(0)
      expect(row.eventLoopDelayP99Us).toBeGreaterThanOrEqual(0)
      expect(row.peakRssBytes).toBeGreaterThan(10e6)
    }
    expect(shares.at(-1)).toBe(1)
    expect(shares).toEqual([...shares].sort((a, b) => a - b))
  })

  it('offers every subject the same arrivals in the server scenario', async () => {
    const { rows } = await runGroup(group([session, context], { scenario: 'server', maxSamples: 500 }))
    expect(rows[0]!.offeredPerSecond).toBe(rows[1]!.offeredPerSecond)
    expect(rows[0]!.samplesUs.length).toBe(rows[1]!.samplesUs.length)
  })

  it('lists a backend that is not there, and goes on without it', async () => {
    const { rows, unavailable } = await runGroup(group([absent, session]))
    expect(rows.map(({ subject }) => subject)).toEqual(['session'])
    expect(rows[0]!.ratioToPeer).toBeNull()
    expect(unavailable).toEqual([
      { backend: 'no-such', precision: 'fp32', reason: expect.stringContaining('no-such'), remedy: expect.any(String) },
    ])
    expect(unavailable[0]!.reason).not.toContain(unavailable[0]!.remedy)
  })

  it('does not measure a peer that has nothing to be compared with', async () => {
    const { rows, unavailable } = await runGroup(group([absent, context]))
    expect(rows).toEqual([])
    expect(unavailable).toHaveLength(1)
  })

  it('lists a subject that fails, with its reason', async () => {
    const { rows, failures } = await runGroup(group([broken, session, context]))
    expect(rows).toHaveLength(2)
    expect(failures).toEqual([
      expect.objectContaining({ subject: 'broken (none)', reason: expect.stringContaining('no-such-model.onnx') }),
    ])
  })
})
