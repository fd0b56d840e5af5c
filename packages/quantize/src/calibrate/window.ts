import { BINS_PER_SIDE, type HistogramData } from '../observe/histogram.ts'
import type { Range, Scheme } from './scheme.ts'

/** Bins that are covered, from `first` (inclusive) to `end` (exclusive); 0 lies on an edge inside or at an end. */
export interface Window {
  readonly first: number
  readonly end: number
}

/** Candidates for each end. */
const CANDIDATES = 128
/** Both ends depend on one another: each is searched again after the other one moved. */
const ROUNDS = 2

export function rangeOfWindow({ first, end }: Window, { exponent }: HistogramData): Range {
  const width = 2 ** exponent
  return { min: (first - BINS_PER_SIDE) * width, max: (end - BINS_PER_SIDE) * width }
}

/** The window of least cost: symmetric ones shrink at both ends at once, others end by end. */
export function bestWindow(histogram: HistogramData, scheme: Scheme, cost: (window: Window) => number): Window {
  const { counts } = histogram
  const first = Math.min(
    BINS_PER_SIDE,
    counts.findIndex((count) => count > 0),
  )
  const end = Math.max(BINS_PER_SIDE, counts.findLastIndex((count) => count > 0) + 1)
  const below = BINS_PER_SIDE - first
  const above = end - BINS_PER_SIDE
  if (scheme.symmetric) {
    const windows = sizes(Math.max(below, above)).map((size) => around(size, size))
    return cheapest(windows, cost)
  }
  let best = around(below, above)
  for (let round = 0; round < ROUNDS; round++) {
    const { first: lower } = best
    if (above > 0)
      best = cheapest(
        sizes(above).map((size) => around(BINS_PER_SIDE - lower, size)),
        cost,
      )
    const { end: upper } = best
    if (below > 0)
      best = cheapest(
        sizes(below).map((size) => around(size, upper - BINS_PER_SIDE)),
        cost,
      )
  }
  return best
}

const around = (below: number, above: number): Window => ({ first: BINS_PER_SIDE - below, end: BINS_PER_SIDE + above })

/** From all of it down to a 128th, evenly. */
function sizes(all: number): number[] {
  const count = Math.min(all, CANDIDATES)
  return Array.from({ length: count }, (_, i) => Math.ceil((all * (count - i)) / count))
}

/** The first of equals, which is the widest. */
function cheapest(windows: readonly Window[], cost: (window: Window) => number): Window {
  let best = windows[0]!
  let least = cost(best)
  for (const window of windows.slice(1)) {
    const own = cost(window)
    if (own < least) {
      best = window
      least = own
    }
  }
  return best
}
