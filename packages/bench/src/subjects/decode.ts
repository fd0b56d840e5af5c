import { Tensor } from '@lowlat/core'
import { createImageDecoder, imagenet } from '@lowlat/preprocess'
import { type JpegSet, readJpegs } from '../images.ts'
import { cropFor, decodeNaively, decodeWithSharp } from './sharp-decode.ts'
import type { Subject, SubjectSpec } from './spec.ts'

type DecodeSpec = Extract<SubjectSpec, { kind: 'decode' }>

/** JPEG to normalised tensor [1, 3, size, size]; with 'sharp' only to the cropped pixels, as a floor. */
export async function createDecode({ with: way, jpegs, size }: DecodeSpec): Promise<Subject> {
  const images = await readJpegs(jpegs)
  if (way === 'normalise') return createNormalise(images, jpegs, size)
  const decode = decoderFor(way, size, jpegs)
  return {
    run: async (index) => (await decode(images[index % images.length]!)).at(-1)!,
    dispose: async () => {},
  }
}

function decoderFor(
  way: Exclude<DecodeSpec['with'], 'normalise'>,
  size: number,
  jpegs: JpegSet,
): (jpeg: Uint8Array) => Promise<Uint8Array | Float32Array> {
  if (way === 'sharp') return (jpeg) => decodeWithSharp(jpeg, jpegs, size)
  if (way === 'plain') return (jpeg) => decodeNaively(jpeg, size, new Float32Array(3 * size * size), 0)
  const decoder = createImageDecoder({ ...cropFor(size), ...imagenet })
  if (way === 'lowlat') return async (jpeg) => (await decoder.decode(jpeg)).tensor.data
  const out = { tensor: Tensor.zeros('float32', [1, 3, size, size]), row: 0 }
  return async (jpeg) => (await decoder.decode(jpeg, { out })).tensor.data
}

/** From the pixels that sharp hands over, in the state in which a decode leaves the caches. */
function createNormalise(images: readonly Uint8Array[], jpegs: JpegSet, size: number): Subject {
  const decoder = createImageDecoder(imagenet)
  const out = { tensor: Tensor.zeros('float32', [1, 3, size, size]), row: 0 }
  let data: Uint8Array = new Uint8Array()
  return {
    async prepare(index) {
      data = await decodeWithSharp(images[index % images.length]!, jpegs, size)
    },
    async run() {
      const { tensor } = await decoder.decode({ data, width: size, height: size, channels: 3 }, { out })
      return tensor.data.at(-1)!
    },
    dispose: async () => {},
  }
}
