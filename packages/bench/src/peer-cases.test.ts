import { createHash } from 'node:crypto'
import type { Tensor } from '@lowlat/core'
import { testDataMissing } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { cases } from '../peer/cases.ts'

const missing = testDataMissing('MANIFEST.md')

const digest = (each: Tensor | { readonly tensor: Tensor }) => {
  const { data } = 'tensor' in each ? each.tensor : each
  return createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex')
}

describe.skipIf(missing)(`cases of the comparison with other quantizers${missing ? ` (${missing})` : ''}`, () => {
  it.each([
    { name: 'yolox_nano', calibration: 32, evaluation: 32 },
    { name: 'resnet20', calibration: 50, evaluation: 50 },
  ])('$name evaluates on no picture that it calibrates with', async ({ name, calibration, evaluation }) => {
    const example = await cases[name]!()
    const calibrating = new Set(example.calibration.map(digest))
    const evaluated = new Set(example.evaluation.map(digest))
    expect([calibrating.size, evaluated.size]).toEqual([calibration, evaluation])
    expect([...evaluated].filter((each) => calibrating.has(each))).toEqual([])
    // Every run divides them alike.
    expect((await cases[name]!()).evaluation.map(digest)).toEqual([...evaluated])
  })
})
