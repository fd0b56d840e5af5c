import { describe, expect, it } from 'vitest'
import { describeModel } from '../graph/describe.ts'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import { countParameters, expectToRun } from '../testing/generated-model.ts'
import { randomFeeds, runModel } from '../testing/run-model.ts'
import { generateGraph, generateModel, type ModelName, modelNames } from './generate.ts'

describe('generated models', () => {
  it('have the published numbers of parameters', () => {
    expect(countParameters('resnet50', { batchNorm: 'separate' })).toBe(25_557_032)
    expect(countParameters('mobilenet_v2', { batchNorm: 'separate' })).toBe(3_504_872)
    expect(countParameters('vit_s16')).toBe(22_050_664)
  })

  it('have one bias per channel where batch normalisation was a scale and a bias', () => {
    expect(countParameters('resnet50')).toBe(25_557_032 - 26_560)
    expect(countParameters('mobilenet_v2')).toBe(3_504_872 - 17_056)
  })

  it.each(['tiny', 'mobilenet_v2', 'resnet50'] as const)('run in ONNX Runtime with any batch size: %s', (name) =>
    expectToRun(name),
  )

  it('compute the same with batch normalisation folded and separate', async () => {
    const separate = generateModel('mobilenet_v2', { batchNorm: 'separate' })
    const folded = generateModel('mobilenet_v2', { batchNorm: 'folded' })
    expect(describeModel(separate).operators.get('BatchNormalization')).toBe(52)
    expect(describeModel(folded).operators.has('BatchNormalization')).toBe(false)
    const feeds = randomFeeds(folded, { batch: 1 })
    const [a, b] = await Promise.all([runModel(separate, feeds), runModel(folded, feeds)])
    const expected = a.logits!.data as Float32Array
    for (const [i, value] of (b.logits!.data as Float32Array).entries()) expect(value).toBeCloseTo(expected[i]!, 3)
  })

  it('are the same for the same seed and differ for others', () => {
    expect(generateModel('tiny', { seed: 3 })).toEqual(generateModel('tiny', { seed: 3 }))
    expect(generateModel('tiny', { seed: 3 })).not.toEqual(generateModel('tiny', { seed: 4 }))
  })

  it('say that their weights are random', () => {
    expect(graphFromOnnx(generateModel('tiny')).model.metadata.get('weights')).toMatch(
      /random.*accuracy is meaningless/,
    )
  })

  it('survive the way through the graph unchanged', () => {
    const bytes = generateModel('mobilenet_v2')
    expect(Buffer.compare(onnxFromGraph(graphFromOnnx(bytes)), bytes)).toBe(0)
  })

  it('have names by place, unique among nodes', () => {
    const names = generateGraph('resnet50').nodes.map(({ name }) => name)
    expect(names).toContain('layer1.0.conv2.Conv')
    expect(new Set(names).size).toBe(names.length)
  })

  it('are listed, and unknown ones refused with the list', () => {
    expect(modelNames).toEqual(['resnet50', 'mobilenet_v2', 'vit_s16', 'bert_base', 'tiny'])
    expect(() => generateModel('resnet51' as ModelName)).toThrow(/'resnet50'.*got 'resnet51'/)
    for (const name of [{}, ['tiny'], null, Symbol('tiny')]) {
      expect(() => generateModel(name as never)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', received: name }),
      )
    }
    expect(() => generateModel({} as never)).toThrow('as name, got {}.')
    for (const options of [null, { sead: 1 }, { seed: {} }]) {
      expect(() => generateModel('tiny', options as never)).toThrow(
        expect.objectContaining({ name: 'InputError', code: 'INVALID_ARGUMENT' }),
      )
    }
    expect(() => generateModel('tiny', { seed: 0.5 })).toThrow(/seed/)
    expect(() => generateModel('tiny', { batchNorm: 'fused' as 'folded' })).toThrow(/'folded', 'separate'.*'fused'/)
  })
})
