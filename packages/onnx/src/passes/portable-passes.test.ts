import { readFileSync } from 'node:fs'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import { generateModel } from '../models/generate.ts'
import { damagedCopies, fuzzPasses } from '../testing/fuzz-passes.ts'
import { expectSameOutputs, rewrite } from '../testing/rewrite-model.ts'
import { variedModel } from '../testing/varied-model.ts'
import { portablePasses } from './portable-passes.ts'

const eachAndAll = [...portablePasses.map((pass) => [pass]), portablePasses]

describe('the portable passes', () => {
  it('all find something in a varied model, and each keeps its outputs', async () => {
    const bytes = variedModel()
    await expectSameOutputs(bytes, eachAndAll)
    const { report, bytes: rewritten } = rewrite(bytes)
    const found = new Set(report.runs.map(({ pass }) => pass))
    const idle = portablePasses.map(({ name }) => name).filter((name) => !found.has(name))
    expect(idle).toEqual(['fix-weights', 'name-nodes']) // the builder makes neither inputs of weights nor nameless nodes
    const operators = graphFromOnnx(rewritten).nodes.map((node) => node.opType)
    expect(operators.join(' ')).toBe(
      'Conv QuantizeLinear DequantizeLinear MaxPool Shape Gather Concat Reshape Reshape Relu Mul Add',
    )
  })

  it('keep the outputs of a network with batch normalisation', () =>
    expectSameOutputs(generateModel('mobilenet_v2', { batchNorm: 'separate' }), [portablePasses]))

  for (const name of ['mnist.fp32', 'resnet8_cifar10.ptq-qdq', 'silero_vad_16k.fp32', 'ultraface_rfb320.fp32']) {
    const file = `models/${name}.onnx`
    const missing = testDataMissing(file)
    it.skipIf(missing)(`keep the outputs of a real model: ${missing ?? name}`, () =>
      expectSameOutputs(readFileSync(testDataPath(file)), [portablePasses]),
    )
  }

  it('refuse damaged models, or rewrite them to valid ones', () => {
    const { bytes, facts } = damagedCopies(variedModel())
    expect(fuzzPasses(bytes, 200, 21)).toBeGreaterThan(0)
    expect(fuzzPasses(facts, 300, 22)).toBeGreaterThan(50)
  })
})
