import { Tensor } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { decodeBatch } from './batch.ts'
import { createImageDecoder, type ImageDecoder } from './decoder.ts'
import type { RawImage } from './input.ts'
import { wave } from './wave.test-data.ts'

const raw = (width: number, height: number): RawImage => ({ data: wave(width, height), width, height, channels: 3 })
const images = [raw(40, 24), raw(24, 40), raw(17, 17), raw(64, 8), raw(20, 30)]
const decoder = createImageDecoder({ letterbox: 16 })

describe('decodeBatch', () => {
  it('puts every image into its row, as decoding it alone does', async () => {
    const { tensor, transforms } = await decodeBatch(decoder, images)
    expect(tensor.shape).toEqual([5, 3, 16, 16])
    for (const [row, image] of images.entries()) {
      const alone = await decoder.decode(image)
      expect(tensor.rows(row, row + 1)).toEqual(alone.tensor)
      expect(transforms[row]).toEqual(alone.transform)
    }
  })

  it('fills the first rows of a larger tensor', async () => {
    const into = Tensor.zeros('float32', [8, 3, 16, 16])
    const { tensor } = await decodeBatch(decoder, images, { into })
    expect(tensor.shape).toEqual([5, 3, 16, 16])
    expect(tensor.data.buffer).toBe(into.data.buffer)
    expect(into.rows(5, 8).data.every((value) => value === 0)).toBe(true)
  })

  it('takes an empty list', async () => {
    expect((await decodeBatch(decoder, [])).tensor.shape).toEqual([0, 3, 16, 16])
  })

  it('says which image failed, starts no more, and ends only when the others have', async () => {
    let running = 0
    let begun = 0
    const watched: ImageDecoder<'float32'> = {
      ...decoder,
      concurrency: 2,
      async decode(input, options) {
        begun++
        running++
        try {
          return await decoder.decode(input, options)
        } finally {
          running--
        }
      },
    }
    const inputs = [images[0]!, new Uint8Array(), images[2]!, images[3]!, images[4]!]
    await expect(decodeBatch(watched, inputs)).rejects.toThrow(
      expect.objectContaining({
        code: 'IMAGE_EMPTY',
        details: { index: 1 },
        message: expect.stringMatching(/^Image 1 of the batch: /),
      }),
    )
    expect(running).toBe(0)
    expect(begun).toBeLessThan(inputs.length)
  })

  it('asks for no more than the decoder takes at the same time, so that nothing has to wait', async () => {
    let running = 0
    let most = 0
    const watched: ImageDecoder<'float32'> = {
      ...decoder,
      concurrency: 3,
      async decode(input, options) {
        most = Math.max(most, ++running)
        const decoded = await decoder.decode(input, options)
        running--
        return decoded
      },
    }
    await decodeBatch(watched, [...images, ...images])
    expect(most).toBe(3)
  })

  it('fits into a decoder that lets nothing wait', async () => {
    const strict = createImageDecoder({ letterbox: 16, concurrency: 2, maxQueue: 0 })
    expect((await decodeBatch(strict, [...images, ...images])).tensor.shape).toEqual([10, 3, 16, 16])
  })

  it('stops when aborted', async () => {
    await expect(decodeBatch(decoder, images, { signal: AbortSignal.abort() })).rejects.toThrow(
      expect.objectContaining({ code: 'ABORTED' }),
    )
  })

  it('refuses what cannot work', async () => {
    const code = (expected: string) => expect.objectContaining({ code: expected })
    await expect(decodeBatch(createImageDecoder(), images)).rejects.toThrow(code('CONFIG_INVALID'))
    await expect(decodeBatch(decoder, images[0] as never)).rejects.toThrow(code('INVALID_ARGUMENT'))
    for (const no of [null, undefined, {}, { decode: 5 }]) {
      await expect(decodeBatch(no as never, images)).rejects.toThrow(code('INVALID_ARGUMENT'))
    }
    for (const options of [null, { into: {} }, { signal: new AbortController() }, { deadlineMs: 5 }]) {
      await expect(decodeBatch(decoder, images, options as never)).rejects.toThrow(code('INVALID_ARGUMENT'))
    }
    const into = Tensor.zeros('float32', [4, 3, 16, 16])
    await expect(decodeBatch(decoder, images, { into })).rejects.toThrow(code('INPUT_SHAPE'))
  })
})
