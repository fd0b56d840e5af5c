import { BackendError, ImageError, messageOf } from '@lowlat/core'
import type { Sharp, SharpOptions } from 'sharp'
import { doubled, growth, oddPixels, shrinkOnly } from './enlarge.ts'
import { type Placement, placeImage } from './geometry.ts'
import { readImageHeader } from './header.ts'
import type { LoadedImage } from './input.ts'
import type { ResolvedOptions } from './options.ts'

const kernels = { bilinear: 'linear', bicubic: 'cubic' } as const

/** Size of the image in pixels, upright if so wished, and what the decoder has to do with it. */
interface SourceSize {
  readonly width: number
  readonly height: number
  /** It has to be turned to be upright. */
  readonly turn: boolean
  /** It may be transparent. */
  readonly alpha: boolean
}

/** An image of which all is known that can be known before it is decoded. */
interface PreparedImage {
  readonly image: LoadedImage
  readonly source: SourceSize
  readonly placement: Placement
}

/**
 * Reads the header, and refuses what must not reach the decoder.
 * @throws ImageError IMAGE_EMPTY, IMAGE_UNSUPPORTED, IMAGE_CORRUPT or IMAGE_TOO_LARGE; InputError INPUT_SHAPE when the
 *   image is smaller than the crop.
 */
export function prepareImage(image: LoadedImage, options: ResolvedOptions): PreparedImage {
  const source = sourceSizeOf(image, options)
  const placement = placeImage(source.width, source.height, options)
  const { scaled } = placement
  // A sliver of an image would be scaled to a sliver of billions of pixels.
  checkPixels(scaled.width, scaled.height, options.limitInputPixels, 'scaling would give')
  return { image, source, placement }
}

function sourceSizeOf(image: LoadedImage, options: ResolvedOptions): SourceSize {
  if (image.kind === 'raw') {
    const { width, height, channels } = image.size
    checkPixels(width, height, options.limitInputPixels, 'got')
    return { width, height, turn: false, alpha: channels % 2 === 0 }
  }
  const { width, height, orientation, format } = readImageHeader(image.bytes)
  checkPixels(width, height, options.limitInputPixels, 'got')
  const turn = options.autoOrient && orientation > 1
  const swap = turn && orientation >= 5
  return { width: swap ? height : width, height: swap ? width : height, turn, alpha: format !== 'jpeg' }
}

/**
 * Decodes, scales, crops and pads to [placement.height, placement.width, 3] interleaved RGB bytes. The work runs in
 * libuv's thread pool. Grey, alpha, CMYK and 16-bit images become 8-bit RGB; of an animation the first frame counts;
 * embedded colour profiles are not applied, as in Pillow and OpenCV. Reads the image until the promise settles.
 *
 * Raw RGB pixels that stay as they are come back as the same memory.
 * @throws (as rejection) ImageError IMAGE_CORRUPT or IMAGE_TOO_LARGE; BackendError BACKEND_UNAVAILABLE when sharp
 *   cannot be loaded.
 */
export async function decodePixels(prepared: PreparedImage, options: ResolvedOptions): Promise<Uint8Array> {
  const { image, source, placement } = prepared
  if (image.kind === 'raw' && image.size.channels === 3 && isUnchanged(source, placement)) return image.bytes
  const grows = growth(placement)
  if (grows === 'none') return renderPixels(prepared, options)
  if (grows === 'mixed') {
    const shrunk = shrinkOnly(placement)
    const bytes = await renderPixels({ image, source, placement: shrunk }, options)
    const { width, height } = shrunk
    const next = {
      image: { kind: 'raw', size: { width, height, channels: 3 }, bytes },
      source: { width, height, turn: false, alpha: false },
      placement: { ...placement, region: shrunk.crop },
    } as const
    return decodePixels(next, options)
  }
  const { width, height } = placement
  return oddPixels(await renderPixels({ image, source, placement: doubled(placement) }, options), width, height)
}

function isUnchanged(source: SourceSize, { region, scaled, crop, ...output }: Placement): boolean {
  return sameSize(region, source) && sameSize(scaled, region) && sameSize(crop, scaled) && sameSize(output, crop)
}

async function renderPixels(
  { image, source, placement }: PreparedImage,
  options: ResolvedOptions,
): Promise<Uint8Array> {
  const { region, scaled, crop, width, height } = placement
  // No turn of the microtask queue once it is there: the decoder starts before this call returns.
  const sharp = loaded ?? (await loadSharp())
  const settings: SharpOptions = {
    autoOrient: source.turn,
    failOn: options.failOn,
    ignoreIcc: true,
    limitInputPixels: options.limitInputPixels,
  }
  if (image.kind === 'raw') {
    settings.raw = { width: source.width, height: source.height, channels: image.size.channels }
  }
  try {
    let pipeline = sharp(image.bytes, settings)
    // sharp turns the image after scaling unless something is extracted first; enlarging has to see it upright.
    const turnFirst = source.turn && growth(placement) !== 'none'
    if (turnFirst || !sameSize(region, source)) pipeline = pipeline.extract(region)
    if (!sameSize(scaled, region)) pipeline = scale(pipeline, scaled, options)
    if (!sameSize(crop, scaled)) pipeline = pipeline.extract(crop)
    if (!sameSize(crop, placement)) pipeline = pad(pipeline, placement, options)
    if (source.alpha) {
      const [r, g, b] = options.background
      pipeline = pipeline.flatten({ background: { r, g, b } })
    }
    const { data, info } = await pipeline.toColourspace('srgb').raw().toBuffer({ resolveWithObject: true })
    if (info.width !== width || info.height !== height || info.channels !== 3) {
      throw new Error(`decoded to ${info.width}x${info.height}x${info.channels} instead of ${width}x${height}x3`)
    }
    return data
  } catch (error) {
    throw decodeError(error, options)
  }
}

function scale(pipeline: Sharp, size: Placement['scaled'], options: ResolvedOptions): Sharp {
  return pipeline.resize(size.width, size.height, {
    fit: 'fill',
    kernel: kernels[options.interpolation],
    fastShrinkOnLoad: options.shrinkOnLoad,
  })
}

function pad(pipeline: Sharp, { crop, left, top, width, height }: Placement, options: ResolvedOptions): Sharp {
  const [r, g, b] = options.padColor
  return pipeline.extend({
    left,
    top,
    right: width - crop.width - left,
    bottom: height - crop.height - top,
    background: { r, g, b },
  })
}

function sameSize(a: { width: number; height: number }, b: { width: number; height: number }): boolean {
  return a.width === b.width && a.height === b.height
}

function checkPixels(width: number, height: number, limit: number, verb: string): void {
  if (width * height > limit) throw tooLarge(`${verb} ${width}x${height}`, limit, [width, height])
}

function tooLarge(found: string, limit: number, received: unknown, cause?: unknown): ImageError {
  return new ImageError('IMAGE_TOO_LARGE', {
    message: `Expected an image of at most ${limit} pixels, ${found}.`,
    remedy: 'Refuse or shrink such images before, or raise `limitInputPixels` where memory allows it.',
    expected: limit,
    received,
    cause,
  })
}

function decodeError(error: unknown, options: ResolvedOptions): ImageError {
  const message = messageOf(error)
  if (message.includes('pixel limit'))
    return tooLarge('but the decoder found more', options.limitInputPixels, message, error)
  return new ImageError('IMAGE_CORRUPT', {
    message: `The image cannot be decoded: ${message.trim()}.`,
    remedy: `Check that it was transferred completely; failOn: 'none' accepts damaged images as far as they decode.`,
    received: message,
    cause: error,
  })
}

type SharpFunction = typeof import('sharp').default

let library: Promise<SharpFunction> | undefined

/** Loads sharp at first use, so that importing this package works where sharp's binary is missing or broken. */
let loaded: SharpFunction | undefined

function loadSharp(): Promise<SharpFunction> {
  library ??= import('sharp').then(
    (module) => {
      loaded = module.default
      return loaded
    },
    (error: unknown) => {
      throw new BackendError('BACKEND_UNAVAILABLE', {
        message: `The image decoder 'sharp' cannot be loaded: ${messageOf(error)}.`,
        remedy: 'Reinstall with optional dependencies for this platform (npm install --include=optional sharp).',
        cause: error,
      })
    },
  )
  return library
}
