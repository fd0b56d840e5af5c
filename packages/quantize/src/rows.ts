import type { Feeds } from '@lowlat/core'
import type { Graph } from '@lowlat/onnx'

/** How many rows of a sample's batch are looked at: what is taken of each must not depend on how rows were batched. */
export interface Rows {
  /** In the sample. */
  readonly count: number
  /** The first ones. */
  readonly used: number
}

/**
 * Counts the rows of samples: what the model leaves open along the leading axis of its first input. A sample of a model
 * that fixes it counts as one: its rows cannot be batched in another way.
 */
export function rowCounter({ requiredInputs }: Graph): (feeds: Feeds) => number {
  const input = requiredInputs.find(({ shape }) => shape !== undefined && shape.length > 0)
  if (!input || typeof input.shape![0] === 'number') return () => 1
  return (feeds) => feeds[input.name]?.shape[0] ?? 1
}

/** The first samples that hold a number of rows together, all of them where there are fewer; the last one in part. */
export function firstRows(
  samples: readonly Feeds[],
  rowsOf: (feeds: Feeds) => number,
  most: number,
): readonly { readonly feeds: Feeds; readonly rows: Rows }[] {
  const taken: { feeds: Feeds; rows: Rows }[] = []
  let left = most
  for (const feeds of samples) {
    if (left <= 0) break
    const count = rowsOf(feeds)
    taken.push({ feeds, rows: { count, used: Math.min(count, left) } })
    left -= count
  }
  return taken
}

/** How many of `size` elements, or positions, belong to one row; all of them where they do not divide into rows. */
export function perRowOf(size: number, { count }: Rows): number {
  return count > 0 && size % count === 0 ? size / count : size
}

/** How many belong to the rows that are used. */
export function usedOf(size: number, rows: Rows): number {
  return Math.min(size, perRowOf(size, rows) * rows.used)
}
