import { readdirSync, readFileSync } from 'node:fs'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { encodeModel } from '../codec/model.ts'
import { feedsOf, type OperatorCase, operatorCases } from '../testing/operator-cases.ts'
import { rebuild } from '../testing/rebuild.ts'
import { comparable, randomFeeds, runModel } from '../testing/run-model.ts'
import { graphFromOnnx } from './from-onnx.ts'
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
const cases = testDataMissing(archive) ?? operatorCases(testDataPath(archive))

describe.skipIf(typeof cases === 'string')(`operator cases${typeof cases === 'string' ? `: ${cases}` : ''}`, () => {
  it('are written byte by byte as they were read, and run the same when made anew from the graph', async () => {
    const different: string[] = []
    const notRun: string[] = []
    for (const operatorCase of cases as readonly OperatorCase[]) {
      const { name, bytes } = operatorCase
      const graph = graphFromOnnx(bytes)
      if (Buffer.compare(onnxFromGraph(graph), bytes) !== 0) different.push(`${name}: bytes`)
      const feeds = feedsOf(operatorCase)
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
