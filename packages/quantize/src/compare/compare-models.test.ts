import { createBackend } from '@lowlat/backend-cpu'
import { type Feeds, isLowlatError, Tensor } from '@lowlat/core'
import { cloneGraph, createRandom, GraphBuilder, Initializer } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { prepareGraph } from '../graph/prepare.ts'
import { cpuRecipe } from '../targets/cpu.ts'
import { conv, residualNetwork } from '../testing/networks.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { compareModels } from './compare-models.ts'
import { tableFromComparison } from './table.ts'
import { ValueError } from './value-error.ts'

const backend = createBackend()
const random = createRandom(5)
const samples: Feeds[] = Array.from({ length: 3 }, () => ({
  image: new Tensor('float32', [1, 3, 8, 8], random.normals(new Float32Array(192), 1)),
}))
const float = prepareGraph(residualNetwork())

describe('compareModels', () => {
  it('finds equal models equal', async () => {
    const { samples: count, values } = await compareModels(float, cloneGraph(float), samples, { backend })
    expect(count).toBe(3)
    expect(values.map((value) => value.operator)).toEqual(float.nodes.map((node) => node.opType))
    for (const value of values) {
      expect(value).toMatchObject({ snrDb: Number.POSITIVE_INFINITY, maxAbsError: 0, meanError: 0 })
      expect(value.cosine).toBeCloseTo(1, 12)
    }
  })

  it('compares what a quantized model makes of each value, rectifiers included that saturation replaces', async () => {
    const quantized = await new PlainQuantizer(backend).quantize(float, cpuRecipe, samples)
    const { values } = await compareModels(float, quantized, samples, { backend })
    const compared = new Map(values.map((value) => [value.a, value]))
    const rectified = float.nodes.filter((node) => node.opType === 'Relu').map((node) => node.outputs[0]!.name)
    expect(rectified.filter((name) => !compared.has(name))).toEqual([])
    expect(compared.has('logits')).toBe(true)
    for (const { snrDb, cosine } of values) {
      expect(snrDb).toBeGreaterThan(20)
      expect(snrDb).toBeLessThan(70)
      expect(cosine).toBeGreaterThan(0.99)
    }
  })

  it('shows the layer that went wrong', async () => {
    const broken = cloneGraph(float)
    const layer = broken.nodes.find((node) => node.name === 'block1.b.Conv')!
    const weight = layer.inputs[1]!
    const data = weight.initializer!.tensor.toFloat32().map((value, i) => (i < 72 ? 0 : value))
    weight.initializer = Initializer.fromTensor(new Tensor('float32', weight.initializer!.shape, data))
    const { values } = await compareModels(float, broken, samples, { backend })
    const wrong = values.filter(({ snrDb }) => snrDb < 60).map((value) => value.a)
    expect(wrong[0]).toBe(layer.outputs[0]!.name)
    expect(wrong).toContain('logits')
    expect(wrong.length).toBeLessThan(values.length)
  })

  it('takes pairs of the caller, and one tensor for a model with one input', async () => {
    const g = new GraphBuilder('other')
    const x = g.input('image', 'float32', ['batch', 3, 8, 8])
    g.output('half', g.op('Mul', [conv(g, 'renamed', x, [3, 8]), g.scalar('factor', 'float32', 0.5)]), 'float32', [])
    const h = new GraphBuilder('one')
    h.output('y', conv(h, 'original', h.input('image', 'float32', ['batch', 3, 8, 8]), [3, 8]), 'float32', [])
    const pairs = [{ a: 'y', b: 'half' }]
    const { values } = await compareModels(h.graph, g.graph, [samples[0]!.image!], { values: pairs, backend })
    // Signal 1, noise a quarter of it.
    expect(values[0]).toMatchObject({ a: 'y', b: 'half', snrDb: expect.closeTo(6.02, 2), cosine: expect.closeTo(1, 6) })
    const unknown = compareModels(h.graph, g.graph, samples, { values: [{ a: 'y', b: 'z' }], backend })
    await expect(unknown).rejects.toSatisfy(
      (error) => isLowlatError(error, 'OUTPUT_UNKNOWN') && /'z'/.test(error.message),
    )
  })

  it('refuses models of other architectures, and values of other shapes', async () => {
    const g = new GraphBuilder('other')
    const x = conv(g, 'renamed', g.input('image', 'float32', ['batch', 3, 8, 8]), [3, 8])
    g.output('logits', g.op('Relu', [x]), 'float32', ['batch', 8, 8, 8])
    const different = (await compareModels(float, g.graph, samples, { backend }).catch((error) => error)) as Error
    expect(different).toSatisfy((error) => isLowlatError(error, 'INVALID_ARGUMENT'))
    expect(different.message).toMatch(/none is in the other model but the outputs 'logits'/)
    const shapes = compareModels(float, g.graph, samples, { values: [{ a: 'logits', b: 'logits' }], backend })
    await expect(shapes).rejects.toSatisfy((error) => isLowlatError(error, 'INPUT_SHAPE'))
    const nothing = compareModels(float, float, [], { backend })
    await expect(nothing).rejects.toSatisfy((error) => isLowlatError(error, 'INVALID_ARGUMENT'))
  })

  it('is printed as a table', async () => {
    const text = tableFromComparison(await compareModels(float, float, samples.slice(0, 1), { backend }))
    const [head, ...lines] = text.split('\n')
    expect(head).toMatch(/^value +operator +SNR dB +cosine +max error +mean error$/)
    expect(lines).toHaveLength(float.nodes.length)
    expect(new Set(text.split('\n').map((line) => line.length)).size).toBe(1)
  })
})

describe('ValueError', () => {
  it('measures what it says, whatever the parts', () => {
    const a = random.normals(new Float32Array(1000), 2)
    const b = a.map((value) => value + 0.25)
    const [whole, parts] = [new ValueError(), new ValueError()]
    whole.add(a, b)
    for (let i = 0; i < 1000; i += 100) parts.add(a.subarray(i, i + 100), b.subarray(i, i + 100))
    expect(parts.report).toEqual(whole.report)
    const power = a.reduce((sum, value) => sum + value * value, 0) / 1000
    expect(whole.report.meanError).toBeCloseTo(0.25, 6)
    expect(whole.report.maxAbsError).toBeCloseTo(0.25, 6)
    expect(whole.report.snrDb).toBeCloseTo(10 * Math.log10(power / 0.0625), 4)
  })

  it('does not hide what is not a number', () => {
    const error = new ValueError()
    error.add(Float32Array.of(1, 2, 3), Float32Array.of(1, Number.NaN, 3))
    expect(error.report.maxAbsError).toBeNaN()
    expect(error.report.snrDb).toBeNaN()
  })
})
