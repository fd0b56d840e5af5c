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
    const { code, stdout } = await bench.run('preprocess', '--model', 'tiny', '--duration', '0.2')
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('lowlat decodeImage') })
    expect(stdout).toContain("over sharp's own time")
  }, 120_000)

  it('refuses a file that cannot be written before it measures', async () => {
    const { code, stderr } = await bench.run('--json', bench.path('no', 'such', 'folder.json'))
    expect(code).toBe(2)
    expect(stderr).toMatch(/--json/)
  })

  it('measures accuracy, speed and size of the reference model in every precision', async () => {
    const json = bench.path('c.json')
    const args = 'accuracy --backend cpu --pictures 160 --duration 0.5'
    const { code, stdout } = await bench.run(...args.split(' '), '--json', json)
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('160 pictures') })
    const { rows, failures } = JSON.parse(readFileSync(json, 'utf8'))
    expect(failures).toEqual([])
    expect(rows.map((row: Record<string, unknown>) => row.subject)).toEqual([
      'FP32',
      'FP16 (stored; computed by the CPU in float)',
      'INT8 PTQ, min-max',
      'INT8 PTQ, entropy',
      'INT8 PTQ, percentile',
      'INT8 PTQ, MSE',
      'INT8 PTQ, auto',
      'INT8 QAT',
    ])
    const [float, half, ...quantized] = rows
    expect(float).toMatchObject({ peer: true, drop: 0, agreement: 100, ratioToPeer: 1 })
    expect(half.agreement).toBeGreaterThanOrEqual(99)
    expect(half.sizeBytes).toBeLessThan(0.6 * float.sizeBytes)
    for (const { top1, top5, drop, agreement } of quantized) {
      expect(top1).toBeGreaterThan(70)
      expect(top5).toBeGreaterThanOrEqual(top1)
      expect(drop).toBeCloseTo(float.top1 - top1, 1)
      expect(agreement).toBeGreaterThan(90)
    }
    for (const { sizeBytes } of quantized.slice(0, 5)) expect(sizeBytes).toBeLessThan(0.45 * float.sizeBytes)
  }, 300_000)
})
