import { describeValue, ImageError, InputError } from '@lowlat/core'
import { exifOrientation } from './exif.ts'

export type ImageFormat = 'jpeg' | 'png' | 'webp'

/** What the first bytes of an encoded image say, before anything is decoded. */
export interface ImageHeader {
  readonly format: ImageFormat
  /** Pixels as stored, before orientation. */
  readonly width: number
  readonly height: number
  /** EXIF orientation: 1 is upright, 5 to 8 swap the sides. */
  readonly orientation: number
}

/**
 * Reads format, size and orientation from the bytes themselves. That costs microseconds where the decoder's own
 * metadata call costs hundreds, and nothing but JPEG, PNG and WebP ever reaches the decoder (SVG, which can pull in
 * other files, least of all).
 * @throws ImageError IMAGE_EMPTY, IMAGE_UNSUPPORTED (another format) or IMAGE_CORRUPT (the header is cut or invalid);
 *   InputError INVALID_ARGUMENT for what is no Uint8Array.
 */
export function readImageHeader(bytes: Uint8Array): ImageHeader {
  if (!(bytes instanceof Uint8Array)) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected the bytes of an image as a Uint8Array, got ${describeValue(bytes)}.`,
      remedy: 'Read the file first: readImageHeader(await readFile(path)).',
      received: bytes,
    })
  }
  if (bytes.length === 0) {
    throw new ImageError('IMAGE_EMPTY', {
      message: 'Expected an encoded image, got 0 bytes.',
      remedy: 'Check that the upload or the file was read completely.',
      received: 0,
    })
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const read = readerFor(view)
  if (!read) throw unsupported(bytes)
  let header: ImageHeader | undefined
  try {
    header = read(view)
  } catch (error) {
    // DataView throws a RangeError where the header runs past the end.
    if (!(error instanceof RangeError)) throw error
  }
  if (!header || header.width < 1 || header.height < 1) {
    throw new ImageError('IMAGE_CORRUPT', {
      message: `Expected a complete image header with a size, but it is cut short or invalid (${bytes.length} bytes).`,
      remedy: 'Check that the image was transferred completely, and open it in a viewer.',
      received: header ? [header.width, header.height] : bytes.length,
    })
  }
  return header
}

type Reader = (view: DataView) => ImageHeader | undefined

function readerFor(view: DataView): Reader | undefined {
  const length = view.byteLength
  if (length >= 3 && view.getUint16(0) === 0xffd8 && view.getUint8(2) === 0xff) return readJpeg
  if (length >= 8 && view.getUint32(0) === 0x89504e47 && view.getUint32(4) === 0x0d0a1a0a) return readPng
  if (length >= 12 && tag(view, 0) === 'RIFF' && tag(view, 8) === 'WEBP') return readWebp
  return undefined
}

/** ITU-T T.81, annex B: segments of marker, length and body, until a start of frame gives the size. */
function readJpeg(view: DataView): ImageHeader | undefined {
  let orientation = 1
  let at = 2
  for (;;) {
    while (view.getUint8(at) !== 0xff) at++ // stray bytes between segments, which decoders skip too
    while (view.getUint8(at) === 0xff) at++
    const marker = view.getUint8(at++)
    if (marker === 0xd9 || marker === 0xda) return undefined // the image ends or starts without a frame
    if (marker === 0x00 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue // these have no body
    const length = view.getUint16(at)
    const body = at + 2
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { format: 'jpeg', height: view.getUint16(body + 1), width: view.getUint16(body + 3), orientation }
    }
    if (marker === 0xe1 && length > 8 && tag(view, body) === 'Exif') {
      orientation = exifOrientation(slice(view, body + 6, length - 8))
    }
    at += length
  }
}

/** PNG specification, section 5: chunks of length, type, body and checksum; the first one is IHDR. */
function readPng(view: DataView): ImageHeader | undefined {
  if (tag(view, 12) !== 'IHDR') return undefined
  const width = view.getUint32(16)
  const height = view.getUint32(20)
  let orientation = 1
  for (let at = 8; at + 8 <= view.byteLength && tag(view, at + 4) !== 'IDAT'; at += 12 + view.getUint32(at)) {
    if (tag(view, at + 4) === 'eXIf') orientation = exifOrientation(slice(view, at + 8, view.getUint32(at)))
  }
  return { format: 'png', width, height, orientation }
}

/** RFC 9649: a RIFF container whose first chunk is a lossy ('VP8 '), lossless ('VP8L') or extended ('VP8X') image. */
function readWebp(view: DataView): ImageHeader | undefined {
  const body = 20
  const form = tag(view, 12)
  if (form === 'VP8 ') {
    if (view.getUint16(body + 3) !== 0x9d01 || view.getUint8(body + 5) !== 0x2a) return undefined
    const width = view.getUint16(body + 6, true) & 0x3fff
    return { format: 'webp', width, height: view.getUint16(body + 8, true) & 0x3fff, orientation: 1 }
  }
  if (form === 'VP8L') {
    if (view.getUint8(body) !== 0x2f) return undefined
    const bits = view.getUint32(body + 1, true)
    return { format: 'webp', width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1, orientation: 1 }
  }
  if (form !== 'VP8X') return undefined
  const width = 1 + uint24(view, body + 4)
  const height = 1 + uint24(view, body + 7)
  let orientation = 1
  // Chunks are padded to an even length; EXIF comes last.
  for (
    let at = 12;
    at + 8 <= view.byteLength;
    at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1)
  ) {
    if (tag(view, at) === 'EXIF')
      orientation = exifOrientation(withoutExifPrefix(slice(view, at + 8, view.getUint32(at + 4, true))))
  }
  return { format: 'webp', width, height, orientation }
}

/** Some writers put JPEG's 'Exif\0\0' before the TIFF block. */
function withoutExifPrefix(block: Uint8Array): Uint8Array {
  return block[0] === 0x45 && block[1] === 0x78 ? block.subarray(6) : block
}

function tag(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3))
}

function uint24(view: DataView, at: number): number {
  return view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
}

/** Part of the view's bytes, cut at the end. */
function slice(view: DataView, start: number, length: number): Uint8Array {
  const end = Math.min(start + length, view.byteLength)
  return new Uint8Array(view.buffer, view.byteOffset + Math.min(start, end), Math.max(0, end - start))
}

function unsupported(bytes: Uint8Array): ImageError {
  const format = guess(bytes)
  return new ImageError('IMAGE_UNSUPPORTED', {
    message: `Expected a JPEG, PNG or WebP image, got ${format}.`,
    remedy: 'Convert the image, or pass raw pixels as { data, width, height, channels }.',
    expected: ['jpeg', 'png', 'webp'],
    received: format,
  })
}

/** A name for what the bytes look like, for the error message only. */
function guess(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 256))
  if (start.startsWith('GIF8')) return 'a GIF'
  if (start.startsWith('BM')) return 'a BMP'
  if (start.startsWith('II*\0') || start.startsWith('MM\0*')) return 'a TIFF'
  if (start.startsWith('%PDF')) return 'a PDF'
  if (start.slice(4, 8) === 'ftyp') return 'a HEIF, AVIF or video file'
  if (/<svg|<\?xml/i.test(start)) return 'an SVG or other XML'
  const hex = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return `${bytes.length} bytes that start with ${hex}`
}
