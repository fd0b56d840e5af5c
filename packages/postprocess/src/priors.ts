import { checkArgument, invalidConfig, listRule } from '@lowlat/core'
import { countRule, someRule } from './check.ts'

/** One output level of a single-shot detector: its grid, and the boxes that each cell starts from. */
export interface PriorLevel {
  /** Pixels per cell. */
  readonly stride: number
  /** Sides of the cell's square boxes, in pixels. */
  readonly sizes: readonly number[]
}

const sizesRule = someRule({
  expected: 'a positive number',
  accepts: (value) => typeof value === 'number' && value > 0 && Number.isFinite(value),
})
const levelsRule = listRule({
  expected: 'an object { stride, sizes }',
  accepts: (value) => typeof value === 'object' && value !== null,
})

/**
 * Square anchors for the SSD decoder: per level, row by row and cell by cell, one box per size around the cell's
 * centre; centre x, centre y, width and height relative to the input and at most 1. As the detectors of the
 * UltraFace family (Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB) lay them out: for 320x240
 * `[{ stride: 8, sizes: [10, 16, 24] }, { stride: 16, sizes: [32, 48] }, { stride: 32, sizes: [64, 96] },
 * { stride: 64, sizes: [128, 192, 256] }]`.
 * @throws ConfigError CONFIG_INVALID for sizes that are not positive.
 */
export function ssdPriors(width: number, height: number, levels: readonly PriorLevel[]): Float32Array {
  checkArgument('width', width, countRule, invalidConfig)
  checkArgument('height', height, countRule, invalidConfig)
  checkArgument('levels', levels, levelsRule, invalidConfig)
  const priors: number[] = []
  for (const { stride, sizes } of levels) {
    checkArgument('stride', stride, countRule, invalidConfig)
    checkArgument('sizes', sizes, sizesRule, invalidConfig)
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
