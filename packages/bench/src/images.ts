import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { mersenne } from 'pure-rand/generator/mersenne'
import sharp from 'sharp'

/** JPEG files of one size. */
export interface JpegSet {
  readonly paths: readonly string[]
  readonly width: number
  readonly height: number
}

/** The usual size of ImageNet's photographs. */
const WIDTH = 500
const HEIGHT = 375
const COUNT = 8
const SHAPES = 40

/**
 * Writes several different JPEGs (500x375, quality 90) with the detail of photographs: a gradient as sky and ground,
 * overlapping shapes as edges, blurred noise as texture and fine noise as sensor grain. Their bytes depend on the
 * version of the encoder alone.
 */
export async function writeJpegs(folder: string): Promise<JpegSet> {
  await mkdir(folder, { recursive: true })
  const paths = Array.from({ length: COUNT }, (_, index) => join(folder, `${index}.jpg`))
  for (const [index, path] of paths.entries()) await writeFile(path, await drawJpeg(index + 1))
  return { paths, width: WIDTH, height: HEIGHT }
}

export function readJpegs({ paths }: JpegSet): Promise<Uint8Array[]> {
  return Promise.all(paths.map((path) => readFile(path)))
}

async function drawJpeg(seed: number): Promise<Buffer> {
  const random = mersenne(seed)
  const below = (limit: number) => Math.floor(uniformFloat64(random) * limit)
  const colour = () => `rgb(${below(256)},${below(256)},${below(256)})`
  const shapes = Array.from({ length: SHAPES }, () => {
    const [x, y, size] = [below(WIDTH), below(HEIGHT), 8 + below(90)]
    const paint = `fill="${colour()}" fill-opacity="${0.4 + below(60) / 100}"`
    return below(2) === 0
      ? `<ellipse cx="${x}" cy="${y}" rx="${size}" ry="${4 + below(60)}" transform="rotate(${below(180)} ${x} ${y})" ${paint}/>`
      : `<polygon points="${x},${y} ${x + size},${y + below(60)} ${x - below(60)},${y + size}" ${paint}/>`
  })
  const scene = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">
    <defs><linearGradient id="g" x1="0" y1="0" x2="${below(100) / 100}" y2="1">
      <stop offset="0" stop-color="${colour()}"/><stop offset="1" stop-color="${colour()}"/>
    </linearGradient></defs>
    <rect width="100%" height="100%" fill="url(#g)"/>${shapes.join('')}</svg>`
  const grain = (deviation: number) => {
    const pixels = new Uint8Array(WIDTH * HEIGHT * 3)
    for (let i = 0; i < pixels.length; i++) pixels[i] = 128 + (uniformFloat64(random) - 0.5) * 2 * deviation
    return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
  }
  // Blurring shrinks the noise's contrast, hence the larger amplitude of the texture.
  const texture = await grain(120).blur(3).png().toBuffer()
  const fine = await grain(14).png().toBuffer()
  return sharp(Buffer.from(scene))
    .composite([
      { input: texture, blend: 'overlay' },
      { input: fine, blend: 'soft-light' },
    ])
    .removeAlpha()
    .jpeg({ quality: 90 })
    .toBuffer()
}
