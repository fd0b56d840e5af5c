import { readFileSync } from 'node:fs'
import { testDataMissing, testDataPath } from '@lowlat/testing'
import { describe, it } from 'vitest'
import { fuzz, fuzzRandom, smallModel } from '../testing/fuzz.ts'

describe('damaged files', () => {
  it('give a model or a ModelError, 30,000 times', () => fuzz(smallModel(), 30_000, 11), 300_000)

  it('of random bytes are refused, 30,000 times', () => fuzzRandom(30_000, 12), 300_000)

  for (const name of ['mnist.fp32', 'resnet8_cifar10.ptq-qdq']) {
    const file = `models/${name}.onnx`
    const missing = testDataMissing(file)
    it.skipIf(missing)(
      `of a real model give a model or a ModelError, 3,000 times: ${missing ?? name}`,
      () => fuzz(readFileSync(testDataPath(file)), 3000, 13),
      300_000,
    )
  }
})
