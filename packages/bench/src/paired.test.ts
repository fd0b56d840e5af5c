import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LoadGroup } from './driver.ts'
import type { Entry } from './group.ts'
import { highlightsOf } from './highlights.ts'
import { type JpegSet, writeJpegs } from './images.ts'
import { runPaired } from './paired.ts'
import { pairedDifference } from './statistics.ts'
import type { DecodeWay } from './subjects/spec.ts'
import { preprocessSteps } from './suites/preprocess.ts'

let folder: string
let jpegs: JpegSet

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lowlat-paired-test-'))
  jpegs = await writeJpegs(folder)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const entry = (subject: string, way: DecodeWay, rest: Partial<Entry> = {}): Entry => ({
  subject,
  backend: 'none',
  peer: false,
  spec: { kind: 'decode', with: way, jpegs, size: 32 },
  ...rest,
})

const group = (entries: readonly Entry[], maxSamples = 20): LoadGroup => ({
  suite: 'preprocess',
  model: 'JPEG',
  precision: 'fp32',
  scenario: 'single-stream',
  batch: 1,
  entries,
  seconds: 30,
  maxSamples,
  sameAnswers: false,
})

describe('runPaired', () => {
  it('takes one sample of every subject per round, in one process', async () => {
    const { rows, failures } = await runPaired(
      group([
        entry('own', 'lowlat'),
        entry('part', 'normalise', { partial: true }),
        entry('peer', 'plain', { peer: true }),
      ]),
    )
    expect(failures).toEqual([])
    expect(rows.map(({ samplesUs }) => samplesUs.length)).toEqual([20, 20, 20])
    expect(new Set(rows.map(({ peakRssBytes }) => peakRssBytes)).size).toBe(1)
    for (const { cpuUs, throughput, peakRssBytes } of rows) {
      expect(cpuUs).toBeGreaterThan(0)
      expect(throughput).toBeGreaterThan(0)
      expect(peakRssBytes).toBeGreaterThan(10e6)
    }
  })

  it('compares with the peer what does the same work, and nothing else', async () => {
    const { rows } = await runPaired(
      group([
        entry('own', 'lowlat'),
        entry('part', 'normalise', { partial: true }),
        entry('peer', 'plain', { peer: true }),
      ]),
    )
    expect(rows.map(({ ratioToPeer }) => ratioToPeer)).toEqual([expect.any(Number), null, 1])
  })

  it('leaves the decode before the normalising step out of its time', async () => {
    const { rows } = await runPaired(group([entry('step', 'normalise'), entry('whole', 'lowlat into')]))
    const [step, whole] = rows
    // Decoding 500x375 pixels takes a multiple of normalising 32x32.
    expect(pairedDifference(whole!.samplesUs, step!.samplesUs).median).toBeGreaterThan(step!.p50Us)
  })

  it('lists every subject as failed when the process cannot measure them', async () => {
    const broken = { ...jpegs, paths: [join(folder, 'absent.jpg')] }
    const absent = entry('absent', 'lowlat', { spec: { kind: 'decode', with: 'lowlat', jpegs: broken, size: 32 } })
    const { rows, failures } = await runPaired(group([entry('own', 'lowlat'), absent]))
    expect(rows).toEqual([])
    expect(failures.map(({ subject }) => subject)).toEqual(['own (none)', 'absent (none)'])
    expect(failures[0]!.reason).toContain('absent.jpg')
  })
})

describe('the preprocess suite', () => {
  it("says what the step takes, and the paired differences to sharp's own time", async () => {
    const settings = {
      model: { path: '', label: '', inputs: [], imageSize: 32 },
      tinyModel: { path: '', label: '', inputs: [], imageSize: undefined },
      int8Models: [],
      jpegs,
      backends: [],
      precisions: [],
      scenarios: [],
      batches: [],
      seconds: 0.1,
      folder,
    }
    const [step] = preprocessSteps(settings)
    const { rows } = await step!.run(() => {})
    const [highlight] = highlightsOf(rows)
    expect(highlight!.claim).toMatch(/normalisation and layout alone/)
    expect(highlight!.detail).toMatch(
      /paired differences.*: [+−][^;]+ for a new tensor; [+−][^;]+ for a reused one; [+−].+ with a plain loop$/,
    )
  })
})
