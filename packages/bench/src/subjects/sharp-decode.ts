import { imagenet } from '@lowlat/preprocess'
import sharp from 'sharp'

/** The usual evaluation crop: the shorter side to 256 / 224 of the model's size, then the middle. */
export function cropFor(size: number): { resize: number; crop: number } {
  return { resize: Math.round((size * 256) / 224), crop: size }
}

/** The same filter for every subject, so that they differ only in what happens around it. */
const filter = { kernel: 'linear', fastShrinkOnLoad: false } as const

/** Sharp's own work alone: decode, resize and crop of an image of known size to interleaved RGB bytes. */
export async function decodeWithSharp(
  jpeg: Uint8Array,
  source: { readonly width: number; readonly height: number },
  size: number,
): Promise<Uint8Array> {
  const { resize } = cropFor(size)
  const scale = resize / Math.min(source.width, source.height)
  const width = Math.floor(source.width * scale)
  const height = Math.floor(source.height * scale)
  return sharp(jpeg)
    .resize(width, height, { fit: 'fill', ...filter })
    .extract({ left: Math.floor((width - size) / 2), top: Math.floor((height - size) / 2), width: size, height: size })
    .raw()
    .toBuffer()
}

/** As most applications write it: sharp for the pixels, then one loop over rows, columns and channels. */
export async function decodeNaively(
  jpeg: Uint8Array,
  size: number,
  into: Float32Array,
  offset: number,
): Promise<Float32Array> {
  const { resize } = cropFor(size)
  const { data, info } = await sharp(jpeg)
    .resize(resize, resize, { fit: 'outside', ...filter })
    .raw()
    .toBuffer({ resolveWithObject: true })
  const left = Math.floor((info.width - size) / 2)
  const top = Math.floor((info.height - size) / 2)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let c = 0; c < 3; c++) {
        const value = data[((y + top) * info.width + x + left) * info.channels + c]!
        into[offset + c * size * size + y * size + x] = (value / 255 - imagenet.mean[c]!) / imagenet.std[c]!
      }
    }
  }
  return into
}
