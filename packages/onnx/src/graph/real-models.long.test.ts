import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { afterAll, describe, expect, it } from 'vitest'
import { decode } from '../codec/decode.ts'
import { encodeModel } from '../codec/model.ts'
import { rebuild } from '../testing/rebuild.ts'
import { comparable, type OrtFeeds, ortTensorFrom, randomFeeds, runModel } from '../testing/run-model.ts'
import { graphFromOnnx } from './from-onnx.ts'
import { Initializer } from './initializer.ts'
import { onnxFromGraph } from './to-onnx.ts'

const missingModels = testDataMissing('models')
const files = missingModels ? [] : readdirSync(testDataPath('models')).filter((file) => file.endsWith('.onnx'))

describe.skipIf(missingModels)(`real models${missingModels ? `: ${missingModels}` : ''}`, () => {
  it.each(files)('give the same outputs to the bit when made anew from the graph: %s', async (file) => {
    const bytes = readFileSync(testDataPath(`models/${file}`))
    const feeds = randomFeeds(bytes, { batch: 1, sequence: 512 })
    const again = encodeModel(rebuild(graphFromOnnx(bytes)))
    expect(comparable(await runModel(again, feeds))).toEqual(comparable(await runModel(bytes, feeds)))
  })
})

const archive = 'onnx_node_cases.tar.xz'
const folder = mkdtempSync(join(tmpdir(), 'lowlat-cases-'))
const missingCases = testDataMissing(archive) ?? unpack()

function unpack(): string | undefined {
  const { error, status } = spawnSync('tar', ['-xJf', testDataPath(archive), '-C', folder])
  return error || status !== 0 ? 'needs the commands tar and xz' : undefined
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The inputs of a case's first data set; undefined where onnxruntime-node cannot be fed with them. */
function feedsOf(path: string, names: readonly string[]): OrtFeeds | undefined {
  const feeds: OrtFeeds = {}
  const files = readdirSync(join(path, 'test_data_set_0')).filter((file) => file.startsWith('input_'))
  for (const file of files) {
    const name = names[Number(/\d+/.exec(file))]
    const message = decode('TensorProto', readFileSync(join(path, 'test_data_set_0', file)))
    const tensor = ortTensorFrom(Initializer.fromMessage(message))
    if (!tensor || name === undefined) return undefined
    feeds[name] = tensor
  }
  return feeds
}

describe.skipIf(missingCases)(`operator cases${missingCases ? `: ${missingCases}` : ''}`, () => {
  it('are written byte by byte as they were read, and run the same when made anew from the graph', async () => {
    const cases = readdirSync(join(folder, 'onnx_node_cases'))
    const different: string[] = []
    const notRun: string[] = []
    for (const name of cases) {
      const path = join(folder, 'onnx_node_cases', name)
      const bytes = readFileSync(join(path, 'model.onnx'))
      const graph = graphFromOnnx(bytes)
      if (Buffer.compare(onnxFromGraph(graph), bytes) !== 0) different.push(`${name}: bytes`)
      const isTensor = [...graph.inputs, ...graph.outputs].every(({ elementType }) => elementType)
      const feeds = isTensor
        ? feedsOf(
            path,
            graph.inputs.map((value) => value.name),
          )
        : undefined
      const expected = feeds && (await runModel(bytes, feeds).catch(() => undefined))
      if (!expected) {
        notRun.push(name)
        continue
      }
      const outputs = await runModel(encodeModel(rebuild(graph)), feeds)
      if (JSON.stringify(comparable(outputs)) !== JSON.stringify(comparable(expected))) different.push(name)
    }
    expect(different).toEqual([])
    expect(cases.length).toBe(588)
    expect(notRun).toEqual([])
  }, 300_000)
})
