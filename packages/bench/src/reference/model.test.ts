import { readFile } from 'node:fs/promises'
import { createSession, infer, pipeline } from '@lowlat/core'
import { describeModel } from '@lowlat/onnx'
import { topK } from '@lowlat/postprocess'
import { decodeImage } from '@lowlat/preprocess'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ReferencePicture, referenceClasses, referenceDataset } from './dataset.ts'
import { referenceImage, referenceModels } from './model.ts'

const pictures: ReferencePicture[] = []

beforeAll(async () => {
  for await (const picture of referenceDataset({ split: 'evaluation', count: 200 })) pictures.push(picture)
})

/** Share of the pictures, in percent, whose best class is the right one. */
async function top1(path: string): Promise<number> {
  await using session = await createSession(path, { backend: 'cpu' })
  const classify = pipeline(decodeImage(referenceImage)).pipe(infer(session)).pipe(topK(1))
  const images = pictures.map(({ image }) => image)
  let [right, index] = [0, 0]
  for await (const [best] of classify.stream(images, { maxInFlight: 4 })) {
    if (best!.index === pictures[index++]!.label) right++
  }
  expect(index).toBe(pictures.length)
  return (100 * right) / index
}

// As assets/reference/README.md states it for these pictures.
const statedTop1 = { fp32: 88, qat: 88 }

describe.each(Object.keys(referenceModels) as (keyof typeof referenceModels)[])('the reference model, %s', (name) => {
  const { path } = referenceModels[name]

  it('takes any number of pictures and has a logit per class', async () => {
    const { inputs, outputs } = describeModel(await readFile(path))
    expect(inputs).toMatchObject([{ name: 'input', dtype: 'float32', shape: ['batch', 3, 64, 64] }])
    expect(outputs).toMatchObject([{ name: 'logits', dtype: 'float32', shape: ['batch', referenceClasses.length] }])
  })

  it('is as accurate as stated', async () => {
    // Where another processor rounds otherwise, few pictures change their class.
    expect(Math.abs((await top1(path)) - statedTop1[name])).toBeLessThanOrEqual(2)
  })
})
