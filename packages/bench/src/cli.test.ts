import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { commandLine } from './testing/command-line.ts'

const bench = commandLine()

describe('bench', () => {
  it('prints a table, and writes JSON and HTML', async () => {
    const [json, html] = [bench.path('a.json'), bench.path('a.html')]
    const args = 'latency --model tiny --backend cpu,trt --precision fp32,int8 --scenario single-stream --duration 0.1'
    const { code, stdout, stderr } = await bench.run(...args.split(' '), '--json', json, '--html', html)
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('latency') })
    expect(stdout).toMatch(/tiny \(generated weights, latency only\) · fp32 · single-stream · batch 1/)
    expect(stdout).toMatch(/lowlat session \(cpu\)/)
    expect(stdout).toMatch(/trt \(fp32, int8\): \S/)

    const report = JSON.parse(readFileSync(json, 'utf8'))
    const names = report.rows.map((row: Record<string, unknown>) => [row.scenario, row.subject, row.backend])
    expect(names).toEqual([
      ['single-stream', 'lowlat session', 'cpu'],
      ['single-stream', 'plain onnxruntime-node', 'none'],
    ])
    expect(report.failures).toEqual([])
    // A model of floats has no INT8 to run: the answer is a reason, not a number.
    expect(report.unavailable).toContainEqual(expect.objectContaining({ backend: 'cpu', precision: 'int8' }))
    expect(readFileSync(html, 'utf8')).toContain('Distribution of latencies')
  }, 120_000)

  it('refuses bad options with the valid values and no stack', async () => {
    const { code, stdout, stderr } = await bench.run('--scenario', 'burst')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/single-stream, multi-stream, server, offline, got 'burst'/)
    expect(stderr).not.toMatch(/\n\s+at /)
  })
})
