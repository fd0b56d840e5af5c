import { type ImageTransform, InputError } from '@lowlat/core'
import type { ResolvedOptions } from './options.ts'

export interface Rectangle {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** Where the pixels of an image of known size go: source -> `region` -> scaled to `scaled` -> `crop` -> padded. */
export interface Placement {
  /** The part of the (oriented) source that is used. */
  readonly region: Rectangle
  /** The size that the region is scaled to. */
  readonly scaled: { readonly width: number; readonly height: number }
  /** The part of the scaled region that is kept. */
  readonly crop: Rectangle
  /** Where the crop lies in the output; the rest of the output is padding. */
  readonly left: number
  readonly top: number
  /** The output. */
  readonly width: number
  readonly height: number
  readonly transform: ImageTransform
}

type Geometry = Pick<ResolvedOptions, 'centralFraction' | 'resize' | 'crop' | 'letterbox' | 'letterboxAlign'>

/**
 * Places a source of the given size (in pixels, after orientation).
 * @throws InputError INPUT_SHAPE when the image is smaller than the crop.
 */
export function placeImage(sourceWidth: number, sourceHeight: number, options: Geometry): Placement {
  const { letterbox } = options
  if (letterbox) return placeLetterbox(sourceWidth, sourceHeight, letterbox, options.letterboxAlign)

  const region = centralRegion(sourceWidth, sourceHeight, options.centralFraction)
  const scaled = scaledSize(region.width, region.height, options.resize)
  const width = options.crop?.[0] ?? scaled.width
  const height = options.crop?.[1] ?? scaled.height
  if (width > scaled.width || height > scaled.height) {
    throw new InputError('INPUT_SHAPE', {
      message: `Expected an image of at least ${width}x${height} pixels to crop from, got ${scaled.width}x${scaled.height}.`,
      remedy: 'Add `resize` before the crop, or crop less.',
      expected: [width, height],
      received: [scaled.width, scaled.height],
    })
  }
  const crop = { left: centred(scaled.width, width), top: centred(scaled.height, height), width, height }
  const scaleX = scaled.width / region.width
  const scaleY = scaled.height / region.height
  return {
    region,
    scaled,
    crop,
    left: 0,
    top: 0,
    width,
    height,
    transform: {
      sourceWidth,
      sourceHeight,
      targetWidth: width,
      targetHeight: height,
      scaleX,
      scaleY,
      offsetX: -region.left * scaleX - crop.left,
      offsetY: -region.top * scaleY - crop.top,
    },
  }
}

function placeLetterbox(
  sourceWidth: number,
  sourceHeight: number,
  [width, height]: readonly [number, number],
  align: Geometry['letterboxAlign'],
): Placement {
  const scale = Math.min(width / sourceWidth, height / sourceHeight)
  const scaled = {
    width: Math.max(1, Math.min(width, roundHalfEven(sourceWidth * scale))),
    height: Math.max(1, Math.min(height, roundHalfEven(sourceHeight * scale))),
  }
  const left = align === 'centre' ? Math.floor((width - scaled.width) / 2) : 0
  const top = align === 'centre' ? Math.floor((height - scaled.height) / 2) : 0
  return {
    region: { left: 0, top: 0, width: sourceWidth, height: sourceHeight },
    scaled,
    crop: { left: 0, top: 0, ...scaled },
    left,
    top,
    width,
    height,
    transform: {
      sourceWidth,
      sourceHeight,
      targetWidth: width,
      targetHeight: height,
      // The scale that the rounded size really has, so that boxes map back exactly.
      scaleX: scaled.width / sourceWidth,
      scaleY: scaled.height / sourceHeight,
      offsetX: left,
      offsetY: top,
    },
  }
}

function centralRegion(width: number, height: number, fraction: number): Rectangle {
  const left = Math.floor((width - width * fraction) / 2)
  const top = Math.floor((height - height * fraction) / 2)
  return { left, top, width: width - 2 * left, height: height - 2 * top }
}

function scaledSize(width: number, height: number, resize: Geometry['resize']): Placement['scaled'] {
  if (resize === undefined) return { width, height }
  if (typeof resize !== 'number') return { width: resize[0], height: resize[1] }
  return width <= height
    ? { width: resize, height: Math.floor((resize * height) / width) }
    : { width: Math.floor((resize * width) / height), height: resize }
}

function centred(whole: number, part: number): number {
  return roundHalfEven((whole - part) / 2)
}

/** Python's round(): torchvision's crop offsets depend on it, and differ by a pixel from Math.round on every other size. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1
}
