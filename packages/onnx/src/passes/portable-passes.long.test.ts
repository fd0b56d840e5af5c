import { readdirSync, readFileSync } from 'node:fs'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import { generateModel } from '../models/generate.ts'
import { expectClose } from '../testing/apply-pass.ts'
import { smallModel } from '../testing/fuzz.ts'
import { damagedCopies, expectSameRuns, fuzzPasses } from '../testing/fuzz-passes.ts'
import { feedsOf, type OperatorCase, operatorCases } from '../testing/operator-cases.ts'
import { expectSameOutputs, rewrite } from '../testing/rewrite-model.ts'
import { randomFeeds, runModel } from '../testing/run-model.ts'
import { variedModel } from '../testing/varied-model.ts'
import { mergeSpaceToDepth } from './merge-space-to-depth.ts'
import { portablePasses } from './portable-passes.ts'
import { removeDeadCode } from './remove-dead-code.ts'
import { runPasses } from './run-passes.ts'

const eachAndAll = [...portablePasses.map((pass) => [pass]), portablePasses]
const missing = testDataMissing('models')
const files = missing ? [] : readdirSync(testDataPath('models')).filter((file) => file.endsWith('.onnx'))
const read = (file: string) => readFileSync(testDataPath(`models/${file}`))

describe.skipIf(missing)(`each pass, and all, keep the outputs${missing ? `: ${missing}` : ''}`, () => {
  it.each(files)('of the real model %s', (file) => expectSameOutputs(read(file), eachAndAll))
})

describe('each pass, and all, keep the outputs', () => {
  it.each(['resnet50', 'mobilenet_v2', 'vit_s16', 'bert_base'] as const)('of %s', (name) =>
    expectSameOutputs(generateModel(name, { batchNorm: 'separate' }), eachAndAll),
  )
})

it.skipIf(missing)('blocks of pixels in channels are undone in YOLOX, to the rounding of other sums', async () => {
  const bytes = read('yolox_nano.fp32.onnx')
  const { bytes: rewritten, report } = rewrite(bytes, [mergeSpaceToDepth, removeDeadCode])
  expect(report.nodesBefore - report.nodesAfter).toBe(9) // eight slices and a Concat
  const feeds = randomFeeds(bytes, { batch: 1 })
  expectClose(await runModel(rewritten, feeds), await runModel(bytes, feeds), 1e-3)
})

const archive = 'onnx_node_cases.tar.xz'
const cases = testDataMissing(archive) ?? operatorCases(testDataPath(archive))

describe.skipIf(typeof cases === 'string')(`operator cases${typeof cases === 'string' ? `: ${cases}` : ''}`, () => {
  it('have the same outputs after all passes, with inputs that are fed and with constants', async () => {
    const different: string[] = []
    for (const operatorCase of cases as readonly OperatorCase[]) {
      const { name, bytes } = operatorCase
      const feeds = feedsOf(operatorCase)
      if (!feeds) continue
      const expected = await runModel(bytes, feeds)
      try {
        expectClose(await runModel(rewrite(bytes).bytes, feeds), expected)
        expectClose(await runModel(constantCase(operatorCase), {}), expected)
      } catch (error) {
        different.push(`${name}: ${String(error).slice(0, 200)}`)
      }
    }
    expect(different).toEqual([])
  }, 600_000)
})

/** The case with its inputs as constants, so that passes may compute what they can. */
function constantCase({ bytes, inputs }: OperatorCase): Uint8Array {
  const graph = graphFromOnnx(bytes)
  for (const [index, value] of graph.inputs.entries()) {
    graph.replaceUses(value, graph.addInitializer(graph.uniqueName(value.name), inputs![index]!))
  }
  for (const value of [...graph.inputs]) graph.removeValue(value)
  runPasses(graph)
  return onnxFromGraph(graph)
}

describe('damaged models', () => {
  it('are refused or rewritten to valid ones, 10,000 times', () => {
    for (const bytes of [variedModel(), smallModel()]) {
      const copies = damagedCopies(bytes)
      expect(fuzzPasses(copies.bytes, 2000, 31)).toBeGreaterThan(0)
      expect(fuzzPasses(copies.facts, 3000, 32)).toBeGreaterThan(300)
    }
  })

  it.skipIf(missing)('of real models are refused or rewritten to valid ones', () => {
    for (const file of ['mnist.fp32.onnx', 'silero_vad_16k.fp32.onnx', 'resnet8_cifar10.ptq-qdq.onnx']) {
      const copies = damagedCopies(read(file))
      expect(fuzzPasses(copies.facts, 300, 33)).toBeGreaterThan(30)
      fuzzPasses(copies.bytes, 100, 34)
    }
  })

  it('that run, run after all passes and give the same', () => expectSameRuns(variedModel(), 2000, 200))
})
