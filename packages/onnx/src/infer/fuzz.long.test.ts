import { testDataMissing, testDataPath } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { inferAnew } from '../testing/judge-types.ts'
import { mutateModel } from '../testing/mutate-model.ts'
import { operatorCases } from '../testing/operator-cases.ts'

const archive = 'onnx_node_cases.tar.xz'
const cases = testDataMissing(archive) ?? operatorCases(testDataPath(archive))
const reason = typeof cases === 'string' ? `: ${cases}` : ''
const copies = 50

describe.skipIf(reason)(`inference over changed operator cases${reason}`, () => {
  it('gives a report or a typed error', () => {
    let inferred = 0
    for (const { bytes } of typeof cases === 'string' ? [] : cases) {
      for (let seed = 0; seed < copies; seed++) if (inferAnew(mutateModel(bytes, seed))) inferred++
    }
    expect(inferred).toBeGreaterThan(10_000)
  })
})
