/**
 * Find objects in a picture and draw them on it.
 *
 *   node index.ts YOLOX.onnx IMAGE [OUTPUT.png] [LABELS.txt]
 *
 * Expects a YOLOX detector (nano, tiny, s, ...), as its authors export it: BGR 0..255 in, raw grid out.
 */
import { readFile } from 'node:fs/promises'
import { createSession, infer, pipeline } from '@lowlat/core'
import { type Detection, detectYolox } from '@lowlat/postprocess'
import { decodeImage, yolox } from '@lowlat/preprocess'
import sharp from 'sharp'

const [modelPath, imagePath, outputPath = 'detections.png', labelsPath] = process.argv.slice(2)
if (!modelPath || !imagePath) {
  console.error('Usage: index.ts YOLOX.onnx IMAGE [OUTPUT.png] [LABELS.txt]')
  process.exit(2)
}
const labels = labelsPath ? (await readFile(labelsPath, 'utf8')).trimEnd().split('\n') : undefined

await using session = await createSession(modelPath)
const side = session.inputs[0]!.shape[3]
if (typeof side !== 'number')
  throw new Error(`expected a model with a fixed input size, got ${session.inputs[0]!.shape}`)

// The letterbox leaves how it placed the picture in the request's context; the boxes come back in its pixels.
const detect = pipeline(decodeImage({ ...yolox, letterbox: side, autoOrient: false }))
  .pipe(infer(session))
  .pipe(detectYolox({ scoreThreshold: 0.35, iouThreshold: 0.45, ...(labels && { labels }) }))

const detections = await detect.run(imagePath)
for (const detection of detections) {
  const { x1, y1, x2, y2 } = detection.box
  console.log(`${nameOf(detection)} at ${[x1, y1, x2, y2].map(Math.round).join(', ')}`)
}

const { width, height } = await sharp(imagePath).metadata()
await sharp(imagePath)
  .composite([{ input: Buffer.from(overlay(detections, width, height)) }])
  .toFile(outputPath)
console.log(`${detections.length} objects drawn on ${outputPath}`)

function nameOf({ classIndex, label, score }: Detection): string {
  return `${label ?? `class ${classIndex}`} ${(100 * score).toFixed(0)} %`
}

/** An SVG of the picture's size with a labelled frame around each object. */
function overlay(found: readonly Detection[], imageWidth: number, imageHeight: number): string {
  const stroke = Math.max(2, Math.round(imageWidth / 250))
  const font = 7 * stroke
  const shapes = found.map((detection) => {
    const { x1, y1, x2, y2 } = detection.box
    const text = nameOf(detection)
    const color = `hsl(${(detection.classIndex * 47) % 360} 90% 50%)`
    const top = Math.max(font * 1.3, y1)
    return `<rect x="${x1}" y="${y1}" width="${x2 - x1}" height="${y2 - y1}" fill="none" stroke="${color}" stroke-width="${stroke}"/>
      <rect x="${x1}" y="${top - font * 1.3}" width="${text.length * font * 0.6}" height="${font * 1.3}" fill="${color}"/>
      <text x="${x1 + stroke}" y="${top - font * 0.3}" font-family="sans-serif" font-size="${font}">${text.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${imageWidth}" height="${imageHeight}">${shapes.join('')}</svg>`
}
