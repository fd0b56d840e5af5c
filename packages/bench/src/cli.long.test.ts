import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { commandLine } from './testing/command-line.ts'

const bench = commandLine()

describe('bench', () => {
  it('measures cold starts, each in a new process', async () => {
    const json = bench.path('b.json')
    const { code, stdout } = await bench.run(
      'coldstart',
      '--model',
      'tiny',
      '--backend',
      'cpu',
      '--duration',
      '0.1',
      '--json',
      json,
    )
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('warm plan cache') })
    const { rows } = JSON.parse(readFileSync(json, 'utf8'))
    expect(rows.map((row: Record<string, unknown>) => row.subject)).toEqual([
      'lowlat, warm plan cache',
      'lowlat, cold plan cache',
      'plain onnxruntime-node',
    ])
    for (const row of rows) expect(row.samplesUs).toHaveLength(3)
  }, 120_000)

  it('measures from JPEG to tensor with every way of decoding', async () => {
    const { code, stdout } = await bench.run('preprocess', '--model', 'tiny', '--backend', 'cpu', '--duration', '0.2')
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('lowlat decodeImage') })
    expect(stdout).toContain("over sharp's own time")
  }, 120_000)

  it('refuses a file that cannot be written before it measures', async () => {
    const { code, stderr } = await bench.run('--json', bench.path('no', 'such', 'folder.json'))
    expect(code).toBe(2)
    expect(stderr).toMatch(/--json/)
  })
})
