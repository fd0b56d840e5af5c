import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GraphBuilder, generateModel, onnxFromGraph } from '@lowlat/onnx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { highlightsOf } from '../highlights.ts'
import { loadModelFacts } from '../models.ts'
import { int8Steps } from './int8.ts'
import type { SuiteSettings } from './settings.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lowlat-int8-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function settingsFor(name: string, model: Uint8Array, backends = ['cpu']): Promise<SuiteSettings> {
  const path = join(folder, name)
  writeFileSync(path, model)
  const facts = await loadModelFacts({ kind: 'file', path })
  const rest = { jpegs: { paths: [], bytes: 0 } as never, precisions: [], scenarios: [], batches: [] }
  return { ...rest, model: facts, tinyModel: facts, int8Models: [facts], backends, seconds: 0.1, folder }
}

describe('the int8 suite', () => {
  it('measures a model as it is given against itself quantized, call by call, with the sizes of both', async () => {
    const settings = await settingsFor('tiny.onnx', generateModel('tiny'))
    const steps = int8Steps(settings)
    expect(steps).toHaveLength(1)
    const { rows, failures } = await steps[0]!.run(() => {})
    expect(failures).toEqual([])
    const [float, quantized] = rows
    expect(float).toMatchObject({ subject: 'FP32', precision: 'fp32', peer: true, ratioToPeer: 1 })
    expect(quantized).toMatchObject({ subject: 'INT8', precision: 'int8', peer: false })
    expect(quantized!.samplesUs.length).toBe(float!.samplesUs.length)
    expect(quantized!.ratioToPeer).toBeCloseTo(float!.p50Us / quantized!.p50Us)
    expect(float!.sizeBytes).toBe(generateModel('tiny').length)
    expect(quantized!.sizeBytes).toBeGreaterThan(0)
    const [highlight] = highlightsOf(rows)
    expect(highlight!.detail).toMatch(/ against .* with one thread, .* instead of /)
    expect(readdirSync(folder).filter((name) => name.startsWith('int8-'))).toEqual([])
  })

  it('lists a model without anything to quantize as failed', async () => {
    const g = new GraphBuilder('no-layers')
    g.output('y', g.op('Relu', [g.input('x', 'float32', [1, 4])]), 'float32', [1, 4])
    const { rows, failures } = await int8Steps(await settingsFor('relu.onnx', onnxFromGraph(g.graph)))[0]!.run(() => {})
    expect(rows).toEqual([])
    expect(failures).toMatchObject([{ suite: 'int8', subject: 'INT8 (cpu)' }])
  })

  it('runs on backends that there is a recipe for', async () => {
    expect(int8Steps(await settingsFor('tiny.onnx', generateModel('tiny'), ['npu']))).toEqual([])
  })
})
