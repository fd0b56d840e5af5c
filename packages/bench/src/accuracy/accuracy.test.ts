import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateModel } from '@lowlat/onnx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { referenceDataset } from '../reference/dataset.ts'
import { referenceImage, referenceModels } from '../reference/model.ts'
import { AccuracyHost } from './host.ts'
import { prepareAccuracy } from './prepare.ts'
import type { AccuracyChoice, Variant } from './task.ts'

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lowlat-accuracy-test-'))
  for await (const { image, label, name } of referenceDataset({ split: 'evaluation', count: 32 })) {
    mkdirSync(join(folder, 'data', String(label)), { recursive: true })
    writeFileSync(join(folder, 'data', String(label), `${name}.jpg`), image)
  }
  writeFileSync(join(folder, 'tiny.onnx'), generateModel('tiny', { seed: 1 }))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type OwnChoice = Extract<AccuracyChoice, { kind: 'files' }>

const choice = (changes: Partial<OwnChoice> = {}): OwnChoice => ({
  kind: 'files',
  model: referenceModels.fp32.path,
  data: join(folder, 'data'),
  preprocess: referenceImage,
  classOffset: 0,
  mostPictures: 1000,
  ...changes,
})

const float: Variant = { subject: 'FP32', precision: 'fp32', recipe: 'fp32' }
const quantized: Variant = { subject: 'INT8', precision: 'int8', recipe: 'minmax' }

describe('prepareAccuracy', () => {
  it("finds the user's pictures, a limited number of them, evenly", async () => {
    const task = await prepareAccuracy(choice({ mostPictures: 13 }))
    expect(task).toMatchObject({ label: 'reference.fp32.onnx, 13 pictures', reference: false })
    expect(task.evaluation).toMatchObject({ kind: 'files', files: { length: 13 } })
    expect(task.calibration).toMatchObject({ kind: 'files', files: { length: 6 } })
  })

  it('sizes presets for the model', async () => {
    expect((await prepareAccuracy(choice({ preprocess: 'imagenet' }))).image).toMatchObject({ resize: 73, crop: 64 })
    expect((await prepareAccuracy(choice({ preprocess: 'mobilenet' }))).image).toMatchObject({ resize: [64, 64] })
    expect((await prepareAccuracy(choice({ preprocess: 'squeezenet' }))).image).toMatchObject({ resize: 72, crop: 64 })
  })

  it.each([
    [
      'pictures of another size',
      { preprocess: { resize: [32, 64] } },
      'CONFIG_INVALID',
      /\[batch, 3, 64, 64\].*\[1, 3, 64, 32\]/,
    ],
    ['pictures of any size', { preprocess: {} }, 'CONFIG_INVALID', /differ from picture to picture/],
    ['unknown image options', { preprocess: { sise: 3 } }, 'CONFIG_INVALID', /'sise'/],
    ['classes without a score', { classOffset: 1 }, 'INVALID_ARGUMENT', /from 0 to 15.*got 16/],
    ['a folder that is not there', { data: 'no-such' }, 'INVALID_ARGUMENT', /no-such/],
    ['a folder as the model', { model: 'packages' }, 'MODEL_NOT_FOUND', /'packages': not a regular file/],
    ['a file that is no model', { model: 'package.json' }, 'MODEL_INVALID', /./],
  ])('refuses %s', async (_, changes, code, message) => {
    const task = prepareAccuracy(choice(changes as Partial<OwnChoice>))
    await expect(task).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('refuses a model of anything but pictures', async () => {
    const task = prepareAccuracy(choice({ model: join(folder, 'tiny.onnx') }))
    await expect(task).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringMatching(/one float32 input \[N, 3, S, S\] and scores \[N, C\].*tiny\.onnx/),
    })
  })
})

describe('AccuracyHost', () => {
  it('evaluates the variants on the same pictures, with the accuracy that each has', async () => {
    const task = await prepareAccuracy(choice())
    const host = await AccuracyHost.open({ task, target: 'cpu', folder })
    const files = [await host.prepare(float), await host.prepare(quantized)]
    expect(files[0]!.path).toBe(referenceModels.fp32.path)
    expect(files[0]!.inputs).toMatchObject([{ name: 'input', shape: [1, 3, 64, 64] }])
    expect(files[1]!.sizeBytes).toBeLessThan(0.5 * files[0]!.sizeBytes)

    expect(await host.evaluate(20)).toBe(20)
    expect(await host.evaluate(20)).toBe(26)
    const [first, second] = host.accuracies
    expect(first).toMatchObject({ drop: 0, agreement: 100 })
    expect(first!.top1).toBeGreaterThan(60)
    expect(second!.agreement).toBeGreaterThan(80)
    expect(second!.drop).toBeCloseTo(first!.top1 - second!.top1, 10)
  })

  it('passes on the error of a picture that is damaged', async () => {
    const data = join(folder, 'damaged')
    const table = ['0.jpg\t0\tcalibration', '1.jpg\t1\tevaluation']
    mkdirSync(data)
    writeFileSync(join(data, 'labels.tsv'), table.join('\n'))
    copyFileSync(join(folder, 'data/0/evaluation-000000.jpg'), join(data, '0.jpg'))
    writeFileSync(join(data, '1.jpg'), readFileSync(join(data, '0.jpg')).subarray(0, 700))
    const host = await AccuracyHost.open({ task: await prepareAccuracy(choice({ data })), target: 'cpu', folder })
    await host.prepare(float)
    await expect(host.evaluate(1)).rejects.toMatchObject({ code: 'IMAGE_CORRUPT' })
  })
})
