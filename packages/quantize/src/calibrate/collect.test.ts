import { createBackend } from '@lowlat/backend-cpu'
import { type Feeds, isLowlatError, Tensor } from '@lowlat/core'
import { createRandom, GraphBuilder } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { Histogram } from '../observe/histogram.ts'
import { collectStatistics } from './collect.ts'
import { CalibrationTable } from './table.ts'

const backend = createBackend()
const random = createRandom(2)

/** y = relu(x) - 1 */
function model() {
  const g = new GraphBuilder('model')
  const rectified = g.op('Relu', [g.input('x', 'float32', ['batch', 4])])
  g.output('y', g.op('Sub', [rectified, g.scalar('one', 'float32', 1)]), 'float32', ['batch', 4])
  return { graph: g.graph, rectified: rectified.name }
}

const rows = Array.from({ length: 12 }, () => random.normals(new Float32Array(4), 1))

function batches(size: number): Feeds[] {
  return Array.from({ length: rows.length / size }, (_, batch) => {
    const data = Float32Array.from(rows.slice(batch * size, (batch + 1) * size).flatMap((row) => [...row]))
    return { x: new Tensor('float32', [size, 4], data) }
  })
}

function histogramOf(values: Iterable<number>): Histogram {
  const histogram = new Histogram()
  histogram.add(Float32Array.from(values))
  return histogram
}

describe('collectStatistics', () => {
  it('counts inputs, values in between and outputs', async () => {
    const { graph, rectified } = model()
    const progress: number[] = []
    const onSample = (samples: number) => progress.push(samples)
    const table = await collectStatistics(graph, ['x', rectified, 'y'], batches(1), { backend, onSample })
    const all = rows.flatMap((row) => [...row])
    expect(table.samples).toBe(12)
    expect(progress).toEqual(rows.map((_, index) => index + 1))
    expect(table.histograms.get('x')?.counts).toEqual(histogramOf(all).counts)
    expect(table.histograms.get(rectified)?.counts).toEqual(histogramOf(all.map((x) => Math.max(0, x))).counts)
    expect(table.histograms.get('y')?.counts).toEqual(histogramOf(all.map((x) => Math.max(0, x) - 1)).counts)
    expect(graph.outputs).toHaveLength(1)
  })

  it('counts inputs alone', async () => {
    const table = await collectStatistics(model().graph, ['x'], batches(1), { backend })
    expect(table.histograms.get('x')?.counts).toEqual(histogramOf(rows.flatMap((row) => [...row])).counts)
  })

  it('gives the same whatever the batch size', async () => {
    const { graph, rectified } = model()
    const tables = await Promise.all(
      [1, 3, 12].map((size) => collectStatistics(graph, [rectified, 'y'], batches(size), { backend })),
    )
    for (const table of tables) expect(table.histograms).toEqual(tables[0]!.histograms)
  })

  it('names the sample and the value of a number that is none', async () => {
    const bad = [...batches(1).slice(0, 2), { x: new Tensor('float32', [1, 4], Float32Array.of(1, Number.NaN, 1, 1)) }]
    const { graph } = model()
    await expect(collectStatistics(graph, ['y'], bad, { backend })).rejects.toSatisfy(
      (error) => isLowlatError(error, 'INVALID_ARGUMENT') && /Sample 2 .*'y'.*NaN/.test(error.message),
    )
  })

  it('refuses a value that the model does not have', async () => {
    await expect(collectStatistics(model().graph, ['nowhere'], batches(1), { backend })).rejects.toSatisfy(
      (error) => isLowlatError(error, 'OUTPUT_UNKNOWN') && /'nowhere'/.test(error.message),
    )
  })

  it('refuses to calibrate with nothing, and stops where the samples or the signal do', async () => {
    const { graph } = model()
    await expect(collectStatistics(graph, ['y'], [], { backend })).rejects.toSatisfy((error) =>
      isLowlatError(error, 'INVALID_ARGUMENT'),
    )
    async function* broken() {
      yield* batches(6)
      throw new Error('no more pictures')
    }
    await expect(collectStatistics(graph, ['y'], broken(), { backend })).rejects.toThrow('no more pictures')
    const controller = new AbortController()
    const onSample = () => controller.abort(new Error('enough'))
    const aborted = collectStatistics(graph, ['y'], batches(1), { backend, onSample, signal: controller.signal })
    await expect(aborted).rejects.toThrow()
    const wrong = [{ x: new Tensor('float32', [1, 5], new Float32Array(5)) }]
    await expect(collectStatistics(graph, ['y'], wrong, { backend })).rejects.toSatisfy((error) =>
      isLowlatError(error, 'INPUT_SHAPE'),
    )
  })
})

describe('CalibrationTable', () => {
  it('goes through JSON unchanged', async () => {
    const { graph, rectified } = model()
    const table = await collectStatistics(graph, [rectified, 'y'], batches(4), { backend })
    const text = JSON.stringify(table)
    expect(JSON.stringify(CalibrationTable.fromJson(text))).toBe(text)
    expect(CalibrationTable.fromJson(text).histogramOf(['y']).counts).toEqual(table.histogramOf(['y']).counts)
  })

  it('adds up parts', async () => {
    const { graph } = model()
    const parts = batches(6)
    const [first, second] = await Promise.all(
      parts.map((feeds) => collectStatistics(graph, ['y'], [feeds], { backend })),
    )
    const whole = await collectStatistics(graph, ['y'], parts, { backend })
    expect(JSON.stringify(first!.merge(second!))).toBe(JSON.stringify(whole))
  })

  it.each([
    '',
    '{}',
    '[1]',
    '{"format":"lowlat-calibration","version":2,"samples":1,"values":{}}',
    '{"format":"lowlat-calibration","version":1,"samples":1,"values":{"a":{"min":0,"max":1,"exponent":0,"first":8191,"counts":[1,2]}}}',
  ])('refuses %j', (text) => {
    expect(() => CalibrationTable.fromJson(text)).toThrow(
      expect.toSatisfy((error) => isLowlatError(error, 'MODEL_INVALID')),
    )
  })

  it('says when a value is not in it', () => {
    expect(() => new CalibrationTable(1, new Map()).histogramOf(['conv1'])).toThrow(/conv1/)
  })
})
