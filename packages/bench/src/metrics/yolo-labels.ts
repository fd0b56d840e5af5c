import { InputError } from '@lowlat/core'
import type { Truth } from './mean-average-precision.ts'

/**
 * Objects of a picture from YOLO's text format: one per line, as class, centre x, centre y, width and height, the last
 * four as fractions of the picture. Boxes are in pixels of a picture of this size.
 * @throws InputError INVALID_ARGUMENT naming the line that is not so.
 */
export function truthsFromYolo(text: string, { width, height }: { width: number; height: number }): Truth[] {
  const lines = text.split('\n').map((line) => line.trim())
  return lines.flatMap((line, index) => {
    if (line === '') return []
    const [classIndex, ...fractions] = line.split(/\s+/).map(Number)
    const [x, y, w, h] = fractions
    const right = fractions.length === 4 && fractions.every((each) => each >= 0 && each <= 1)
    if (!right || !Number.isInteger(classIndex) || classIndex! < 0) {
      throw new InputError('INVALID_ARGUMENT', {
        message: `Expected a class and four fractions from 0 to 1 in line ${index + 1} of the labels, got '${line}'.`,
        remedy: "Write objects in YOLO's format: class, centre x, centre y, width, height.",
        received: line,
      })
    }
    const box = {
      x1: (x! - w! / 2) * width,
      y1: (y! - h! / 2) * height,
      x2: (x! + w! / 2) * width,
      y2: (y! + h! / 2) * height,
    }
    return [{ classIndex: classIndex!, box }]
  })
}
