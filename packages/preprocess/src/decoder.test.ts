import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Tensor } from '@lowlat/core'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createImageDecoder } from './decoder.ts'
import type { ImageInput } from './input.ts'
import { wave } from './wave.test-data.ts'

const width = 40
const height = 24
const pixels = wave(width, height)
const image = () => sharp(pixels, { raw: { width, height, channels: 3 } })

/** Decodes to plain bytes [height, width, 3]. */
const plain = createImageDecoder({ layout: 'NHWC', dtype: 'uint8' })
const decode = async (input: ImageInput) => (await plain.decode(input)).tensor

/** A PNG that claims a size: signature and IHDR only. */
function pngHeader(claimedWidth: number, claimedHeight: number): Uint8Array {
  const bytes = Buffer.alloc(33)
  bytes.write('\x89PNG\r\n\x1a\n', 'latin1')
  bytes.writeUInt32BE(13, 8)
  bytes.write('IHDR', 12)
  bytes.writeUInt32BE(claimedWidth, 16)
  bytes.writeUInt32BE(claimedHeight, 20)
  return bytes
}

describe('what it decodes', () => {
  it('gives the pixels of a PNG and of lossless WebP', async () => {
    for (const bytes of [await image().png().toBuffer(), await image().webp({ lossless: true }).toBuffer()]) {
      const tensor = await decode(bytes)
      expect(tensor.shape).toEqual([1, height, width, 3])
      expect(tensor.data).toEqual(pixels)
    }
  })

  it('takes ArrayBuffers, views, paths and file URLs', async () => {
    const bytes = await image().png().toBuffer()
    const folder = await mkdtemp(join(tmpdir(), 'lowlat-image-'))
    try {
      const path = join(folder, 'image.png')
      await writeFile(path, bytes)
      const shifted = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)
      for (const input of [Uint8Array.from(bytes).buffer, shifted, path, pathToFileURL(path)]) {
        expect((await decode(input)).data).toEqual(pixels)
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('takes raw pixels of any number of channels', async () => {
    const grey = Uint8Array.from({ length: width * height }, (_, i) => i)
    const expected = Uint8Array.from(pixels, (_, i) => grey[Math.floor(i / 3)]!)
    expect((await decode({ data: grey, width, height, channels: 1 })).data).toEqual(expected)
    expect((await decode({ data: pixels, width, height, channels: 3 })).data).toEqual(pixels)
    const rgba = new Uint8ClampedArray(await image().ensureAlpha().raw().toBuffer())
    expect((await decode({ data: rgba, width, height, channels: 4 })).data).toEqual(pixels)
  })

  it('does not write to, or share memory with, what it is given', async () => {
    const given = pixels.slice()
    const tensor = await decode({ data: given, width, height, channels: 3 })
    tensor.data.fill(0)
    expect(given).toEqual(pixels)
  })

  it('turns grey, 16-bit and CMYK images into 8-bit RGB', async () => {
    const images = {
      grey: await image().greyscale().png().toBuffer(),
      deep: await image().toColourspace('rgb16').png().toBuffer(),
      cmyk: await image().toColourspace('cmyk').jpeg().toBuffer(),
    }
    expect(await sharp(images.deep).metadata()).toMatchObject({ depth: 'ushort' })
    expect(await sharp(images.cmyk).metadata()).toMatchObject({ space: 'cmyk' })
    for (const bytes of Object.values(images)) expect((await decode(bytes)).shape).toEqual([1, height, width, 3])
    expect((await decode(images.deep)).data).toEqual(pixels)
  })

  it('shows the background through transparent pixels', async () => {
    const glass = await sharp({
      create: { width: 2, height: 1, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } },
    })
      .png()
      .toBuffer()
    expect([...(await decode(glass)).data]).toEqual([0, 0, 0, 0, 0, 0])
    const blue = createImageDecoder({ layout: 'NHWC', dtype: 'uint8', background: [0, 0, 255] })
    expect([...(await blue.decode(glass)).tensor.data]).toEqual([0, 0, 255, 0, 0, 255])
  })

  it('turns images as their EXIF orientation says, unless told not to', async () => {
    for (const orientation of [2, 3, 4, 5, 6, 7, 8]) {
      const bytes = await image().png().withMetadata({ orientation }).toBuffer()
      const upright = await sharp(bytes).autoOrient().raw().toBuffer({ resolveWithObject: true })
      const { tensor, transform } = await plain.decode(bytes)
      expect(tensor.shape).toEqual([1, upright.info.height, upright.info.width, 3])
      expect(transform).toMatchObject({ sourceWidth: upright.info.width, sourceHeight: upright.info.height })
      expect(Buffer.from(tensor.data)).toEqual(upright.data)
      const asStored = createImageDecoder({ layout: 'NHWC', dtype: 'uint8', autoOrient: false })
      expect((await asStored.decode(bytes)).tensor.data).toEqual(pixels)
    }
  })

  it.each([2, 3, 4, 5, 6, 7, 8])(
    'cuts, shrinks and enlarges as if it had been turned before (%i)',
    async (orientation) => {
      const bytes = await image().png().withMetadata({ orientation }).toBuffer()
      const upright = await sharp(bytes).autoOrient().png().toBuffer()
      for (const options of [
        { centralFraction: 0.5 },
        { resize: 16, crop: [12, 16] },
        { letterbox: 32 },
        { letterbox: [100, 90] },
        { resize: [33, 31] },
      ] as const) {
        const decoder = createImageDecoder(options)
        const [turned, expected] = await Promise.all([decoder.decode(bytes), decoder.decode(upright)])
        expect(turned.transform).toEqual(expected.transform)
        expect(turned.tensor.shape).toEqual(expected.tensor.shape)
        // Scaling before or after turning rounds differently.
        const difference = turned.tensor.data.map((value, i) => Math.abs(value - expected.tensor.data[i]!))
        expect(Math.max(...difference)).toBeLessThanOrEqual(3)
      }
    },
  )

  it('shrinks large JPEGs early when allowed, to the same size', async () => {
    const bytes = await sharp(wave(640, 480), { raw: { width: 640, height: 480, channels: 3 } })
      .jpeg()
      .toBuffer()
    const { tensor } = await createImageDecoder({ resize: 64, crop: 64, shrinkOnLoad: true }).decode(bytes)
    expect(tensor.shape).toEqual([1, 3, 64, 64])
  })

  it('tells the shape of its tensors where the options fix it', () => {
    expect(createImageDecoder({ resize: 256, crop: 224 }).shape).toEqual([1, 3, 224, 224])
    expect(createImageDecoder({ letterbox: [640, 384], layout: 'NHWC' }).shape).toEqual([1, 384, 640, 3])
    expect(createImageDecoder({ resize: [160, 120] }).shape).toEqual([1, 3, 120, 160])
    expect(createImageDecoder({ resize: 256 }).shape).toBeUndefined()
  })
})

describe('what it refuses', () => {
  let jpeg: Buffer
  let png: Buffer
  let webp: Buffer
  beforeAll(async () => {
    const large = sharp(wave(320, 240), { raw: { width: 320, height: 240, channels: 3 } })
    ;[jpeg, png, webp] = await Promise.all([large.jpeg().toBuffer(), large.png().toBuffer(), large.webp().toBuffer()])
  })
  // After every refusal the same decoder goes on working.
  afterAll(async () => expect((await decode(png)).shape).toEqual([1, 240, 320, 3]))

  const refuses = async (input: ImageInput, code: string, error = 'ImageError') => {
    const refusal = { name: error, code, remedy: expect.stringMatching(/\w/) }
    await expect(plain.decode(input)).rejects.toThrow(expect.objectContaining(refusal))
  }

  it('an empty file', () => refuses(new Uint8Array(), 'IMAGE_EMPTY'))
  it('a text file', () => refuses(Buffer.from('hello world'), 'IMAGE_UNSUPPORTED'))
  it('an SVG', () => refuses(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'IMAGE_UNSUPPORTED'))

  it('a GIF, which the decoder itself could read', async () =>
    refuses(await image().gif().toBuffer(), 'IMAGE_UNSUPPORTED'))

  it('truncated images', async () => {
    for (const bytes of [jpeg, png, webp]) {
      for (const part of [0.3, 0.6, 0.9])
        await refuses(bytes.subarray(0, Math.floor(bytes.length * part)), 'IMAGE_CORRUPT')
    }
  })

  it('a truncated image is decoded as far as it goes when asked to', async () => {
    const lenient = createImageDecoder({ failOn: 'none' })
    const { tensor } = await lenient.decode(jpeg.subarray(0, jpeg.length * 0.6))
    expect(tensor.shape).toEqual([1, 3, 240, 320])
  })

  it('an image with garbage inside', async () => {
    const broken = Buffer.from(png)
    broken.fill(0xa5, broken.length >> 1, (broken.length >> 1) + 40)
    await refuses(broken, 'IMAGE_CORRUPT')
  })

  it('a 30,000 x 30,000 image, from its header alone', async () => {
    await expect(plain.decode(pngHeader(30_000, 30_000))).rejects.toThrow(
      expect.objectContaining({ code: 'IMAGE_TOO_LARGE', expected: 268_402_689, received: [30_000, 30_000] }),
    )
  })

  it('more pixels than the limit, encoded or raw', async () => {
    const small = createImageDecoder({ limitInputPixels: width * height - 1 })
    const tooLarge = expect.objectContaining({ code: 'IMAGE_TOO_LARGE', message: expect.stringContaining('959') })
    await expect(small.decode(await image().png().toBuffer())).rejects.toThrow(tooLarge)
    await expect(small.decode({ data: pixels, width, height, channels: 3 })).rejects.toThrow(tooLarge)
  })

  it('a sliver that scaling by its shorter side would blow up', async () => {
    const sliver = { data: new Uint8Array(60_000 * 3), width: 60_000, height: 1, channels: 3 } as const
    await expect(createImageDecoder({ resize: 256, crop: 224 }).decode(sliver)).rejects.toThrow(
      expect.objectContaining({ code: 'IMAGE_TOO_LARGE' }),
    )
  })

  it('raw pixels whose length does not match', () =>
    refuses({ data: pixels.subarray(1), width, height, channels: 3 }, 'INPUT_BYTE_LENGTH', 'InputError'))

  it('raw pixels of impossible size', async () => {
    await refuses({ data: pixels, width: 0, height, channels: 3 }, 'INPUT_SHAPE', 'InputError')
    await refuses({ data: pixels, width: 1.5, height, channels: 3 }, 'INPUT_SHAPE', 'InputError')
    await refuses({ data: pixels, width, height, channels: 5 as 4 }, 'INPUT_SHAPE', 'InputError')
    await refuses({ data: pixels, width: Symbol('w') as never, height, channels: 3 }, 'INPUT_SHAPE', 'InputError')
  })

  it('an image smaller than the crop', async () => {
    await expect(createImageDecoder({ crop: 64 }).decode({ data: pixels, width, height, channels: 3 })).rejects.toThrow(
      expect.objectContaining({ code: 'INPUT_SHAPE' }),
    )
  })

  it('what is no image at all', async () => {
    const inputs: unknown[] = [undefined, null, 7, {}, { data: [1, 2, 3], width: 1, height: 1, channels: 3 }]
    for (const input of inputs) {
      await refuses(input as ImageInput, 'INVALID_ARGUMENT', 'InputError')
    }
  })

  it('a file that is not there, and a URL that is no file', async () => {
    await refuses(join(tmpdir(), 'lowlat-no-such-image.png'), 'INVALID_ARGUMENT', 'InputError')
    await refuses(new URL('https://example.com/image.png'), 'INVALID_ARGUMENT', 'InputError')
  })
})

describe('abort', () => {
  const raw = { data: pixels, width, height, channels: 3 } as const

  it('before anything is done', async () => {
    const reason = new Error('client left')
    await expect(plain.decode(raw, { signal: AbortSignal.abort(reason) })).rejects.toThrow(
      expect.objectContaining({ name: 'AbortError', code: 'ABORTED', cause: reason }),
    )
  })

  it('while the decoder works: the slot is left alone', async () => {
    const controller = new AbortController()
    const decoder = createImageDecoder({ resize: [16, 16], concurrency: 1 })
    const out = { tensor: Tensor.zeros('float32', [1, 3, 16, 16]), row: 0 }
    const decoding = decoder.decode(raw, { out, signal: controller.signal })
    controller.abort()
    await expect(decoding).rejects.toThrow(expect.objectContaining({ code: 'ABORTED' }))
    // The next one starts only when the decoder is done with the first.
    await decoder.decode(raw)
    expect(out.tensor.data.every((value) => value === 0)).toBe(true)
  })
})

describe('many at once', () => {
  const count = 10_000
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('reach the decoder as it has room; the surplus is refused at once and nothing hangs', async () => {
    const jpeg = await image().jpeg().toBuffer()
    const decoder = createImageDecoder({ resize: [16, 16], concurrency: 3, maxQueue: 5 })
    await decoder.decode(jpeg) // sharp is loaded now
    const outcomes: string[] = []
    const runs = Array.from({ length: count }, () =>
      decoder.decode(jpeg).then(
        ({ tensor }) => outcomes.push(tensor.shape.join()),
        (error) => outcomes.push(error.code),
      ),
    )
    const { queue, process } = sharp.counters()
    expect(queue + process).toBeLessThanOrEqual(3)
    await Promise.all(runs)
    expect(outcomes.filter((code) => code === 'QUEUE_FULL')).toHaveLength(count - 8)
    expect(outcomes.slice(-8)).toEqual(Array(8).fill('1,3,16,16'))
  })

  it('have memory for a tensor only when it is their turn', async () => {
    const zeros = vi.spyOn(Tensor, 'zeros')
    const decoder = createImageDecoder({ resize: [16, 16], concurrency: 1 })
    const runs = Array.from({ length: 4 }, () => decoder.decode({ data: pixels, width, height, channels: 3 }))
    expect(zeros).toHaveBeenCalledTimes(1)
    await Promise.all(runs)
    expect(zeros).toHaveBeenCalledTimes(4)
  })

  it('are refused for what they are before they wait, as far as that can be seen', async () => {
    const decoder = createImageDecoder({ concurrency: 1, maxQueue: 0, crop: 30, limitInputPixels: 1000 })
    const busy = decoder.decode({ data: new Uint8Array(2700), width: 30, height: 30, channels: 3 })
    const codes = [pngHeader(32, 32), pngHeader(20, 40), new Uint8Array(), pngHeader(30, 30)].map((bytes) =>
      decoder.decode(bytes).catch((error) => error.code),
    )
    expect(await Promise.all(codes)).toEqual(['IMAGE_TOO_LARGE', 'INPUT_SHAPE', 'IMAGE_EMPTY', 'QUEUE_FULL'])
    await busy
  })

  it('say so when the memory of one was transferred while it waited', async () => {
    const decoder = createImageDecoder({ concurrency: 1 })
    const data = pixels.slice()
    const busy = decoder.decode(await image().png().toBuffer())
    const waiting = decoder.decode({ data, width, height, channels: 3 })
    structuredClone(data.buffer, { transfer: [data.buffer] })
    await expect(waiting).rejects.toThrow(expect.objectContaining({ code: 'INPUT_BYTE_LENGTH' }))
    await busy
  })

  it('say so when there is no memory for a tensor, and go on', async () => {
    vi.spyOn(Tensor, 'zeros').mockImplementationOnce(() => {
      throw new RangeError('Array buffer allocation failed')
    })
    const decoder = createImageDecoder({ concurrency: 1 })
    const raw = { data: pixels, width, height, channels: 3 } as const
    await expect(decoder.decode(raw)).rejects.toThrow(
      expect.objectContaining({ name: 'ImageError', code: 'IMAGE_TOO_LARGE', received: [1, 3, height, width] }),
    )
    expect((await decoder.decode(raw)).tensor.shape).toEqual([1, 3, height, width])
  })
})

describe('options of a call', () => {
  const raw = { data: pixels, width, height, channels: 3 } as const

  it.each<[string, unknown]>([
    ['no object', null],
    ['unknown', { deadlineMs: 5 }],
    ['misspelt', { signall: new AbortController().signal }],
    ['of the wrong type: signal', { signal: new AbortController() }],
    ['of the wrong type: timeline', { timeline: 5 }],
    ['of the wrong type: deadlineUs', { deadlineUs: Symbol('soon') }],
    ['of the wrong type: priority', { priority: Number.NaN }],
    ['of the wrong type: out', { out: 5 }],
  ])('are refused where they are %s, as often as they come', async (_, options) => {
    for (let i = 0; i < 2; i++) {
      await expect(plain.decode(raw, options as never)).rejects.toThrow(
        expect.objectContaining({ name: 'InputError', code: 'INVALID_ARGUMENT' }),
      )
    }
  })
})

describe('a slot', () => {
  const decoder = createImageDecoder({ resize: [16, 12] })
  const raw = { data: pixels, width, height, channels: 3 } as const

  it('receives the image in its row, and nothing elsewhere', async () => {
    const batch = Tensor.zeros('float32', [3, 3, 12, 16])
    const { tensor } = await decoder.decode(raw, { out: { tensor: batch, row: 1 } })
    expect(tensor.data.buffer).toBe(batch.data.buffer)
    expect(batch.rows(1, 2).data).toEqual((await decoder.decode(raw)).tensor.data)
    for (const row of [0, 2]) expect(batch.rows(row, row + 1).data.every((value) => value === 0)).toBe(true)
  })

  it('must have the dtype, the shape and the row', async () => {
    const into = (tensor: Tensor, row = 0) => decoder.decode(raw, { out: { tensor: tensor as Tensor<'float32'>, row } })
    const code = (expected: string) => expect.objectContaining({ code: expected })
    await expect(into(Tensor.zeros('uint8', [1, 3, 12, 16]))).rejects.toThrow(code('INPUT_DTYPE'))
    await expect(into(Tensor.zeros('float32', [1, 12, 16, 3]))).rejects.toThrow(code('INPUT_SHAPE'))
    await expect(into(Tensor.zeros('float32', [1, 3, 12, 16]), 1)).rejects.toThrow(code('INVALID_ARGUMENT'))
    await expect(into(Tensor.zeros('float32', [1, 3, 12, 16]), Symbol('row') as never)).rejects.toThrow(
      code('INVALID_ARGUMENT'),
    )
    await expect(into(null as never)).rejects.toThrow(code('INVALID_ARGUMENT'))
  })
})
