import { readFile } from 'node:fs/promises'
import { describeValue, InputError, messageOf } from '@lowlat/core'

/** Pixels that are decoded already: rows from the top, channels interleaved, 8 bits each. */
export interface RawImage {
  readonly data: Uint8Array | Uint8ClampedArray
  readonly width: number
  readonly height: number
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. */
  readonly channels: 1 | 2 | 3 | 4
}

/**
 * The bytes of a JPEG, PNG or WebP file; the path or file: URL of one; or raw pixels. Never written or kept; bytes and
 * pixels are read until the decoding settles.
 */
export type ImageInput = Uint8Array | ArrayBuffer | string | URL | RawImage

type RawSize = Omit<RawImage, 'data'>

/** Encoded bytes, or raw pixels whose length was checked. */
export type LoadedImage =
  | { readonly kind: 'encoded'; readonly bytes: Uint8Array }
  | { readonly kind: 'raw'; readonly size: RawSize; readonly bytes: Uint8Array }

/** A file that is yet to be read. */
interface ImageFile {
  readonly kind: 'file'
  readonly path: string | URL
}

/** @throws InputError INVALID_ARGUMENT, INPUT_SHAPE or INPUT_BYTE_LENGTH. */
export function imageFrom(input: ImageInput): LoadedImage | ImageFile {
  if (input instanceof Uint8Array) return { kind: 'encoded', bytes: input }
  if (input instanceof ArrayBuffer) return { kind: 'encoded', bytes: new Uint8Array(input) }
  if (typeof input === 'string') return { kind: 'file', path: input }
  if (input instanceof URL) {
    if (input.protocol !== 'file:') throw notAnImage(`a ${input.protocol} URL`)
    return { kind: 'file', path: input }
  }
  if (typeof input === 'object' && input !== null && 'data' in input) return loadRaw(input)
  throw notAnImage(describeValue(input))
}

/** @throws InputError INVALID_ARGUMENT. */
export async function readImageFile({ path }: ImageFile): Promise<LoadedImage> {
  try {
    return { kind: 'encoded', bytes: await readFile(path) }
  } catch (error) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Cannot read the image file ${path}: ${messageOf(error)}.`,
      remedy: 'Pass the path of a readable file, or the bytes themselves.',
      received: String(path),
      cause: error,
    })
  }
}

function loadRaw(image: RawImage): LoadedImage {
  const { data, width, height, channels } = image
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw notAnImage('raw pixels whose `data` is not a Uint8Array')
  }
  const isCount = (value: number) => Number.isSafeInteger(value) && value > 0
  if (!isCount(width) || !isCount(height) || !isCount(channels) || channels > 4) {
    throw new InputError('INPUT_SHAPE', {
      message: `Expected raw pixels of positive width and height and 1 to 4 channels, got ${describeValue([width, height, channels])}.`,
      remedy: 'Pass the size in pixels, and as channels 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).',
      received: [width, height, channels],
    })
  }
  const expected = width * height * channels
  if (data.length !== expected) {
    throw new InputError('INPUT_BYTE_LENGTH', {
      message: `Expected ${expected} bytes for ${width}x${height} pixels of ${channels} channels, got ${data.length}.`,
      remedy: 'Check width, height and channels against the data; rows must follow each other without padding.',
      expected,
      received: data.length,
    })
  }
  return {
    kind: 'raw',
    size: { width, height, channels },
    bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }
}

function notAnImage(received: string): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected an image, got ${received}.`,
    remedy:
      'Pass encoded bytes (Uint8Array, ArrayBuffer), a file path or file: URL, or { data, width, height, channels }.',
    received,
  })
}
