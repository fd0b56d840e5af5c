import { describeValue, InputError } from '@lowlat/core'
import { createRandom, type Random } from '@lowlat/onnx'
import sharp from 'sharp'
import { between, drawScene, SIDE } from './scene.ts'
import { symbols } from './symbols.ts'

/** Seeds of the pictures of a split begin here; with at most 2^30 pictures in each, no two splits share one. */
const firstSeeds = { train: 0, calibration: 2 ** 30, evaluation: 2 ** 31 } as const
const MOST_PICTURES = 2 ** 30

export type ReferenceSplit = keyof typeof firstSeeds

/** Names of the classes, in the order of the model's logits. */
export const referenceClasses: readonly string[] = symbols.map(({ name }) => name)

export interface ReferencePicture {
  /** A JPEG file of 64x64 pixels. */
  readonly image: Uint8Array
  /** Index into {@link referenceClasses}. */
  readonly label: number
  /** For example `evaluation-000017`. */
  readonly name: string
}

/**
 * Renders the first `count` pictures of a split, one symbol in each, classes in turn: a picture depends on its split
 * and index alone. Splits share no picture. What librsvg and libjpeg make of it comes with the pinned version of sharp;
 * another version or processor may round pixels differently.
 * @throws InputError INVALID_ARGUMENT for an unknown split or a count that is no whole number from 0 to 2^30.
 */
export async function* referenceDataset(options: {
  readonly split: ReferenceSplit
  readonly count: number
}): AsyncGenerator<ReferencePicture> {
  const { split, count } = options
  if (!Object.hasOwn(firstSeeds, split)) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a split of the reference dataset, got ${describeValue(split)}.`,
      remedy: `Pass one of ${Object.keys(firstSeeds).join(', ')}.`,
      received: split,
    })
  }
  if (!(Number.isInteger(count) && count >= 0 && count <= MOST_PICTURES)) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a count of pictures from 0 to ${MOST_PICTURES}, got ${describeValue(count)}.`,
      remedy: 'Pass a whole number, for example 1000.',
      received: count,
    })
  }
  for (let index = 0; index < count; index++) {
    const label = index % symbols.length
    const image = await render(label, createRandom(firstSeeds[split] + index))
    yield { image, label, name: `${split}-${String(index).padStart(6, '0')}` }
  }
}

async function render(label: number, random: Random): Promise<Uint8Array> {
  const scene = sharp(Buffer.from(drawScene(symbols[label]!, random))).flatten()
  // sharp blurs by 0.3 pixels at least.
  const blur = between(random, 0, 1.1)
  const pixels = await (blur < 0.3 ? scene : scene.blur(blur)).raw().toBuffer()
  expose(pixels, random)
  const quality = 75 + random.integer(20)
  return sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .jpeg({ quality })
    .toBuffer()
}

/** In place: less contrast, another brightness, and grain, as of a camera in poor light. */
function expose(pixels: Uint8Array, random: Random): void {
  const contrast = between(random, 0.4, 1)
  const offset = between(random, 0, 255 * (1 - contrast))
  const grain = random.normals(new Float32Array(pixels.length), between(random, 3, 20))
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = Math.min(Math.max(Math.round(pixels[i]! * contrast + offset + grain[i]!), 0), 255)
  }
}
