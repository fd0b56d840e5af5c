import { createImageDecoder } from '@lowlat/preprocess'
import { describe, expect, it } from 'vitest'
import { type ReferencePicture, type ReferenceSplit, referenceClasses, referenceDataset } from './dataset.ts'
import { SIDE } from './scene.ts'

async function render(split: ReferenceSplit, count: number): Promise<ReferencePicture[]> {
  const pictures: ReferencePicture[] = []
  for await (const picture of referenceDataset({ split, count })) pictures.push(picture)
  return pictures
}

/** Means of red, green and blue in each quarter of the picture: 12 numbers. */
async function quarters({ image }: ReferencePicture): Promise<number[]> {
  const { tensor } = await createImageDecoder({ layout: 'NHWC', dtype: 'uint8' }).decode(image)
  expect(tensor.shape).toEqual([1, SIDE, SIDE, 3])
  const sums = new Array<number>(12).fill(0)
  tensor.data.forEach((value, at) => {
    const [row, column] = [Math.floor(at / 3 / SIDE), Math.floor(at / 3) % SIDE]
    sums[(Number(row >= SIDE / 2) * 2 + Number(column >= SIDE / 2)) * 3 + (at % 3)]! += value
  })
  return sums.map((sum) => sum / (SIDE / 2) ** 2)
}

describe('the reference dataset', () => {
  // Sums over many pixels: what another processor rounds otherwise does not show, another scene does.
  it('renders the pictures that the models were trained and measured on', async () => {
    const expected: Record<ReferenceSplit, number[]> = {
      train: [101.7, 167.9, 122.4, 77.5, 177.9, 102.6, 114.5, 136.0, 169.6, 101.1, 147.9, 151.1],
      calibration: [132.8, 170.6, 85.1, 150.4, 181.3, 151.2, 148.8, 176.0, 132.3, 162.0, 187.1, 201.7],
      evaluation: [127.5, 83.9, 137.1, 144.1, 78.1, 136.9, 83.6, 152.1, 163.8, 86.8, 142.1, 160.7],
    }
    for (const [split, means] of Object.entries(expected)) {
      const [, , , , picture] = await render(split as ReferenceSplit, 5)
      const difference = (await quarters(picture!)).map((mean, i) => Math.abs(mean - means[i]!))
      expect(Math.max(...difference)).toBeLessThanOrEqual(1)
    }
  })

  it('gives the same bytes every time, and other pictures per split and index', async () => {
    const [first, again, calibration] = [
      await render('train', 20),
      await render('train', 18),
      await render('calibration', 18),
    ]
    expect(again).toEqual(first.slice(0, 18))
    const bytes = [...first, ...calibration].map(({ image }) => Buffer.from(image).toString('base64'))
    expect(new Set(bytes).size).toBe(38)
  })

  it('takes the classes in turn and names the pictures', async () => {
    const pictures = await render('evaluation', 33)
    expect(pictures.map(({ label }) => label)).toEqual(Array.from({ length: 33 }, (_, index) => index % 16))
    expect(pictures[17]!.name).toBe('evaluation-000017')
    expect(referenceClasses).toHaveLength(16)
    expect(new Set(referenceClasses).size).toBe(16)
  })

  it('ends early when its reader does', async () => {
    for await (const { label } of referenceDataset({ split: 'train', count: 2 ** 30 })) if (label === 2) break
    expect(await render('train', 0)).toEqual([])
  })

  it.each([
    [{ split: 'test', count: 1 }, /Expected a split .* got 'test'.*train, calibration, evaluation/],
    [{ split: 'toString', count: 1 }, /Expected a split/],
    [{ split: 'train', count: -1 }, /count of pictures .* got -1/],
    [{ split: 'train', count: 1.5 }, /count of pictures/],
    [{ split: 'train', count: 2 ** 31 }, /count of pictures/],
  ])('refuses %o', async (options, message) => {
    const dataset = referenceDataset(options as Parameters<typeof referenceDataset>[0])
    await expect(dataset.next()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    })
  })
})
