import type { Placement } from './geometry.ts'

/**
 * libvips maps pixel x of an image enlarged by s to source position x / s - 1/2, where Pillow, OpenCV and the
 * training pipelines use (x + 1/2) / s - 1/2: everything lands half a target pixel too far to the right and below
 * (intended there: libvips/libvips#943). Enlarged to twice the target size, its odd pixels are exactly those wanted:
 * (2x + 1) / 2s - 1/2 = (x + 1/2) / s - 1/2. Both axes are shifted as soon as one grows, so both are doubled.
 */
export function growth({ region, scaled }: Placement): 'none' | 'some' | 'mixed' {
  const grows = scaled.width > region.width || scaled.height > region.height
  const shrinks = scaled.width < region.width || scaled.height < region.height
  return grows ? (shrinks ? 'mixed' : 'some') : 'none'
}

/** The first of two steps for a 'mixed' placement: shrinks the axis that shrinks, and keeps the other. */
export function shrinkOnly(placement: Placement): Placement {
  const { region, scaled } = placement
  const size = { width: Math.min(region.width, scaled.width), height: Math.min(region.height, scaled.height) }
  return { ...placement, scaled: size, crop: { left: 0, top: 0, ...size }, left: 0, top: 0, ...size }
}

/** The placement with everything behind the scaling doubled. */
export function doubled(placement: Placement): Placement {
  const { scaled, crop } = placement
  return {
    ...placement,
    scaled: { width: scaled.width * 2, height: scaled.height * 2 },
    crop: { left: crop.left * 2, top: crop.top * 2, width: crop.width * 2, height: crop.height * 2 },
    left: placement.left * 2,
    top: placement.top * 2,
    width: placement.width * 2,
    height: placement.height * 2,
  }
}

/** The odd pixels of the odd rows, as new memory: [2 * height, 2 * width, 3] -> [height, width, 3]. */
export function oddPixels(pixels: Uint8Array, width: number, height: number): Uint8Array {
  const out = new Uint8Array(width * height * 3)
  let to = 0
  for (let row = 0; row < height; row++) {
    let from = ((2 * row + 1) * 2 * width + 1) * 3
    for (const end = to + width * 3; to < end; to += 3, from += 6) {
      out[to] = pixels[from]!
      out[to + 1] = pixels[from + 1]!
      out[to + 2] = pixels[from + 2]!
    }
  }
  return out
}
