import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDType } from '@lowlat/core'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { InferenceSession } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { decode } from '../codec/decode.ts'
import { graphFromOnnx } from '../graph/from-onnx.ts'
import type { Graph } from '../graph/graph.ts'
import { Initializer } from '../graph/initializer.ts'
import { walkNodes } from '../graph/order.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import type { ValueType } from '../graph/value-type.ts'
import { generateModel, modelNames } from '../models/generate.ts'
import { forgetTypes, judge } from '../testing/judge-types.ts'
import { type OrtFeeds, randomFeeds, runModel } from '../testing/run-model.ts'
import { inferTypes } from './infer-types.ts'

const scratch = mkdtempSync(join(tmpdir(), 'lowlat-infer-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const archive = 'onnx_node_cases.tar.xz'
const missingCases = testDataMissing(archive) ?? unpack()

function unpack(): string | undefined {
  const { error, status } = spawnSync('tar', ['-xJf', testDataPath(archive), '-C', scratch])
  return error || status !== 0 ? 'needs the commands tar and xz' : undefined
}

const constantOf = (path: string) => Initializer.fromMessage(decode('TensorProto', readFileSync(path)))

/** Sizes, axes and scales that cases feed as inputs, as constants of the graph, which models mostly have them as. */
function fixParameters(graph: Graph, constants: readonly Initializer[]): void {
  for (const [index, value] of graph.inputs.entries()) {
    const constant = constants[index]!
    const isParameter = (index > 0 || graph.inputs.length === 1) && constant.shape.length <= 1
    if (isParameter) graph.replaceUses(value, graph.addInitializer(graph.uniqueName(value.name), constant))
  }
}

/** Operators whose result has as many elements as the data decide. */
const dataDependent = new Set(['NonMaxSuppression', 'NonZero', 'Unique', 'Loop', 'MelWeightMatrix'])

describe.skipIf(missingCases)(`types inferred in the operator cases${missingCases ? `: ${missingCases}` : ''}`, () => {
  it('are those of the expected outputs, or unknown where data decide', { timeout: 300_000 }, () => {
    const root = join(scratch, 'onnx_node_cases')
    const counts = { right: 0, unknown: 0, wrong: 0, unclaimed: 0 }
    const surprises: string[] = []
    for (const title of readdirSync(root)) {
      const graph = graphFromOnnx(readFileSync(join(root, title, 'model.onnx')))
      const data = join(root, title, 'test_data_set_0')
      const constants = graph.inputs.map((_, index) => constantOf(join(data, `input_${index}.pb`)))
      forgetTypes(graph)
      fixParameters(graph, constants)
      const inputShapes = Object.fromEntries(graph.inputs.map(({ name }, index) => [name, constants[index]!.shape]))
      const report = inferTypes(graph, { inputShapes })
      if (report.unclaimed.length > 0) {
        counts.unclaimed++
        continue
      }
      const wanted = graph.outputs.map((_, index) => constantOf(join(data, `output_${index}.pb`)))
      const verdicts = graph.outputs.map((value, index) => judge(value, wanted[index]!))
      const verdict = (['wrong', 'unknown'] as const).find((one) => verdicts.includes(one)) ?? 'right'
      counts[verdict]++
      const reported = verdict === 'unknown' && report.unknown.length > 0
      const excused = reported && [...walkNodes(graph)].some(({ opType }) => dataDependent.has(opType))
      if (report.contradictions.length > 0 || (verdict !== 'right' && !excused)) surprises.push(`${title}: ${verdict}`)
    }
    console.log('operator cases', counts)
    expect(surprises).toEqual([])
    expect(counts.right / (counts.right + counts.unknown)).toBeGreaterThan(0.95)
    expect(counts.unclaimed).toBeLessThan(5)
  })
})

/** Every value that the main graph computes, under one run's sizes, with the types that ONNX Runtime gives it. */
async function computedTypes(bytes: Uint8Array, feeds: OrtFeeds): Promise<Map<string, ValueType>> {
  const graph = graphFromOnnx(bytes)
  const outputs = new Set(graph.outputs)
  for (const node of graph.nodes) {
    for (const value of node.outputs) if (value && !outputs.has(value)) graph.addOutput(value)
  }
  const fetches = await runModel(onnxFromGraph(graph), feeds)
  return new Map(
    Object.entries(fetches).map(([name, { type, dims }]) => [
      name,
      { elementType: isDType(type) ? type : 'string', shape: dims },
    ]),
  )
}

async function compare(bytes: Uint8Array, sizes: Readonly<Record<string, number>>) {
  const feeds = randomFeeds(bytes, sizes)
  const computed = await computedTypes(bytes, feeds)
  const graph = graphFromOnnx(bytes)
  forgetTypes(graph)
  const inputShapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]))
  const report = inferTypes(graph, { inputShapes })
  const counts = { right: 0, unknown: 0, wrong: 0 }
  const wrong: string[] = []
  const text = ({ elementType, shape }: ValueType) => `${elementType} [${shape}]`
  for (const node of graph.nodes) {
    for (const value of node.outputs) {
      const want = value && computed.get(value.name)
      if (!want) continue
      const verdict = judge(value, want)
      counts[verdict]++
      if (verdict === 'wrong') wrong.push(`${node.opType} '${value.name}': ${text(value)}, computed ${text(want)}`)
    }
  }
  return { counts, wrong, report }
}

/** As ONNX Runtime's optimiser writes the model: with its own fused and quantized operators. */
async function optimized(bytes: Uint8Array): Promise<Uint8Array> {
  const path = join(scratch, 'optimized.onnx')
  const options = { graphOptimizationLevel: 'extended', optimizedModelFilePath: path, logSeverityLevel: 4 } as const
  const session = await InferenceSession.create(bytes, options)
  await session.release()
  return readFileSync(path)
}

const missingModels = testDataMissing('models')
const files = missingModels ? [] : readdirSync(testDataPath('models')).filter((file) => file.endsWith('.onnx'))
const models: [string, () => Uint8Array][] = [
  ...files.map((file): [string, () => Uint8Array] => [file, () => readFileSync(testDataPath(`models/${file}`))]),
  ...modelNames.map((name): [string, () => Uint8Array] => [`generated ${name}`, () => generateModel(name)]),
]

describe('types inferred in whole models', () => {
  it.each(models)('are those that ONNX Runtime computes: %s', async (title, load) => {
    // Silero's windows of sound have 512 samples; where there are no such windows, sequences are short.
    const sizes = { batch: 2, sequence: title.startsWith('silero') ? 512 : 6 }
    const plain = await compare(load(), sizes)
    const fused = await compare(await optimized(load()), sizes)
    console.log(title, plain.counts, 'optimised', fused.counts)
    for (const { wrong, report } of [plain, fused]) {
      expect(wrong).toEqual([])
      expect(report.unclaimed.map(({ domain, opType }) => `${domain}:${opType}`)).toEqual([])
      expect(report.contradictions).toEqual([])
    }
  })
})
