import { readdirSync, readFileSync } from 'node:fs'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { encodeModel } from '../codec/model.ts'
import { rebuild } from '../testing/rebuild.ts'
import { comparable, randomFeeds, runModel } from '../testing/run-model.ts'
import { describeModel } from './describe.ts'
import { graphFromOnnx } from './from-onnx.ts'
import { onnxFromGraph } from './to-onnx.ts'

const missing = testDataMissing('models')
const files = missing ? [] : readdirSync(testDataPath('models')).filter((file) => file.endsWith('.onnx'))
const read = (file: string) => readFileSync(testDataPath(`models/${file}`))

// Vitest shows no name of a file that is skipped whole.
if (missing) console.warn(`real models are skipped: ${missing}`)

describe.skipIf(missing)(`real models${missing ? `: ${missing}` : ''}`, () => {
  it.each(files)('are written byte by byte as they were read: %s', (file) => {
    const bytes = read(file)
    expect(Buffer.compare(onnxFromGraph(graphFromOnnx(bytes)), bytes)).toBe(0)
  })

  it.each(['mnist.fp32.onnx', 'resnet8_cifar10.ptq-qdq.onnx', 'silero_vad_16k.fp32.onnx'])(
    'give the same outputs to the bit when made anew from the graph: %s',
    async (file) => {
      const bytes = read(file)
      const feeds = randomFeeds(bytes, { batch: 1, sequence: 512 })
      const again = encodeModel(rebuild(graphFromOnnx(bytes)))
      expect(comparable(await runModel(again, feeds))).toEqual(comparable(await runModel(bytes, feeds)))
    },
  )

  it('are described without their weights', () => {
    const { inputs, quantized, floatPrecision, operators } = describeModel(read('resnet8_cifar10.ptq-qdq.onnx'))
    expect(inputs).toEqual([{ name: 'input', dtype: 'float32', shape: ['N', 3, 32, 32] }])
    expect(quantized).toBe(true)
    expect(floatPrecision).toBe('float32')
    expect(operators.get('Conv')).toBe(9)
  })
})
