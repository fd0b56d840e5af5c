import type { Window } from './window.ts'

/**
 * Kullback-Leibler divergence of the quantized distribution Q from the real one P over a window of the histogram. P is
 * the window's counts, with what lies outside added to its outermost bins. Q spreads the count of each of `levels` equal
 * groups of bins over those of its bins that are not empty; it does not know of what lies outside.
 * Source: Migacz 2017, "8-bit Inference with TensorRT", pages 33 to 40.
 */
export function divergence(counts: Float64Array, { first, end }: Window, levels: number): number {
  let inside = 0
  for (let bin = first; bin < end; bin++) inside += counts[bin]!
  if (inside === 0) return Number.POSITIVE_INFINITY
  let below = 0
  let above = 0
  for (let bin = 0; bin < first; bin++) below += counts[bin]!
  for (let bin = end; bin < counts.length; bin++) above += counts[bin]!
  const all = inside + below + above
  const bins = end - first
  let sum = 0
  for (let level = 0; level < levels; level++) {
    const start = first + Math.floor((level * bins) / levels)
    const stop = first + Math.floor(((level + 1) * bins) / levels)
    let group = 0
    let filled = 0
    for (let bin = start; bin < stop; bin++) {
      group += counts[bin]!
      if (counts[bin]! > 0) filled++
    }
    // The share of a bin in Q; no mass where P has some is an infinite divergence, which smoothing keeps finite.
    const quantized = filled > 0 ? group / filled / inside : 0
    for (let bin = start; bin < stop; bin++) {
      const count = counts[bin]! + (bin === first ? below : 0) + (bin === end - 1 ? above : 0)
      if (count === 0) continue
      const real = count / all
      sum += real * Math.log(real / (counts[bin]! > 0 ? quantized : SMOOTHING))
    }
  }
  return sum
}

const SMOOTHING = 1e-10
