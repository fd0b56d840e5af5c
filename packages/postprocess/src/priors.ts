import { checkOption, isCount } from './check.ts'

/** One output level of a single-shot detector: its grid, and the boxes that each cell starts from. */
export interface PriorLevel {
  /** Pixels per cell. */
  readonly stride: number
  /** Sides of the cell's square boxes, in pixels. */
  readonly sizes: readonly number[]
}

/**
 * Square anchors for the SSD decoder: per level, row by row and cell by cell, one box per size around the cell's
 * centre; centre x, centre y, width and height relative to the input and at most 1. As the detectors of the
 * UltraFace family (Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB) lay them out: for 320x240
 * `[{ stride: 8, sizes: [10, 16, 24] }, { stride: 16, sizes: [32, 48] }, { stride: 32, sizes: [64, 96] },
 * { stride: 64, sizes: [128, 192, 256] }]`.
 * @throws ConfigError CONFIG_INVALID for sizes that are not positive.
 */
export function ssdPriors(width: number, height: number, levels: readonly PriorLevel[]): Float32Array {
  checkOption('width and height', [width, height], isCount(width) && isCount(height), 'positive integers')
  const priors: number[] = []
  for (const { stride, sizes } of levels) {
    checkOption('stride', stride, isCount(stride), 'a positive integer')
    checkOption('sizes', sizes, sizes.length > 0 && sizes.every((size) => size > 0), 'positive numbers')
    for (let y = 0; y < Math.ceil(height / stride); y++) {
      for (let x = 0; x < Math.ceil(width / stride); x++) {
        for (const size of sizes) {
          const box = [((x + 0.5) * stride) / width, ((y + 0.5) * stride) / height, size / width, size / height]
          priors.push(...box.map((value) => Math.min(1, value)))
        }
      }
    }
  }
  return Float32Array.from(priors)
}
