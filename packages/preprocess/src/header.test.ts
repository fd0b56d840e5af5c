import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { readImageHeader } from './header.ts'
import { wave } from './wave.test-data.ts'

const image = () => sharp(wave(37, 23), { raw: { width: 37, height: 23, channels: 3 } })

const encoded = {
  'baseline JPEG': () => image().jpeg(),
  'progressive JPEG': () => image().jpeg({ progressive: true }),
  PNG: () => image().png(),
  'lossy WebP': () => image().webp(),
  'lossless WebP': () => image().webp({ lossless: true }),
  'WebP with alpha': () => image().ensureAlpha(0.5).webp(),
}

describe('readImageHeader', () => {
  it.each(Object.entries(encoded))('reads the size of a %s', async (name, encode) => {
    const header = readImageHeader(await encode().toBuffer())
    expect(header).toMatchObject({ width: 37, height: 23, orientation: 1 })
    expect(name.toLowerCase()).toContain(header.format)
  })

  it.each(['jpeg', 'png', 'webp'] as const)('reads the EXIF orientation of a %s', async (format) => {
    for (const orientation of [1, 3, 6, 8]) {
      const bytes = await image().toFormat(format).withMetadata({ orientation }).toBuffer()
      expect(readImageHeader(bytes)).toMatchObject({ format, width: 37, height: 23, orientation })
    }
  })

  it('takes an image with a broken EXIF block as upright', async () => {
    const bytes = await image().jpeg().withMetadata({ orientation: 6 }).toBuffer()
    const tiff = bytes.indexOf('Exif\0\0') + 6
    expect(readImageHeader(Buffer.from(bytes.fill(0xff, tiff, tiff + 8)))).toMatchObject({ width: 37, orientation: 1 })
  })

  it('refuses no bytes', () => {
    expect(() => readImageHeader(new Uint8Array())).toThrow(expect.objectContaining({ code: 'IMAGE_EMPTY' }))
  })

  const others: [string, string | Uint8Array][] = [
    ['text', 'hello, this is not an image'],
    ['an SVG', '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'],
    ['an SVG with an XML declaration', '<?xml version="1.0"?><svg/>'],
    ['a GIF', 'GIF89a and so on'],
    ['a PDF', '%PDF-1.7'],
    ['a TIFF', 'II*\0\0\0\0\0'],
    ['a BMP', 'BM\0\0\0\0'],
    ['an AVIF', '\0\0\0\x20ftypavif'],
    ['one byte', Uint8Array.of(0xff)],
  ]
  it.each(others)('refuses %s by name', (name, content) => {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
    expect(() => readImageHeader(bytes)).toThrow(
      expect.objectContaining({ code: 'IMAGE_UNSUPPORTED', expected: ['jpeg', 'png', 'webp'] }),
    )
    const word = name.split(' ')[1]
    if (word && name !== 'one byte') expect(() => readImageHeader(bytes)).toThrow(word)
  })

  it.each(Object.entries(encoded))('calls a %s corrupt when its header is cut', async (_, encode) => {
    const bytes = await encode().toBuffer()
    for (const length of [12, 15, 18]) {
      expect(() => readImageHeader(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/IMAGE_CORRUPT/) }),
      )
    }
  })

  it('never fails otherwise and always ends, whatever the bytes', () => {
    const magic = fc.constantFrom(
      [0xff, 0xd8, 0xff],
      [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52],
      [...Buffer.from('RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0')],
    )
    fc.assert(
      fc.property(magic, fc.uint8Array({ maxLength: 80 }), (start, rest) => {
        try {
          expect(readImageHeader(Uint8Array.from([...start, ...rest])).width).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toMatchObject({ code: 'IMAGE_CORRUPT' })
        }
      }),
    )
  })

  it.each([undefined, null, 'image.jpg', {}, new ArrayBuffer(8)])('takes bytes, not %s', (bytes) => {
    expect(() => readImageHeader(bytes as Uint8Array)).toThrow(
      expect.objectContaining({ name: 'InputError', code: 'INVALID_ARGUMENT' }),
    )
  })
})
