import type { Step } from '../program/program.ts'
import type { DeviceBuffer } from '../program/view.ts'
import { fill } from './fill.ts'

/** Tiles of one launch whose depth can be split; more than that fill every device without. */
export const splitTiles = 1024

/**
 * Where the blocks that share a tile count who has come: int32 per tile, zeros before a launch and after it. All launches of a
 * program share it.
 */
export const splitCounters: DeviceBuffer = { kind: 'temporary', name: 'split counters', sizeBytes: splitTiles * 4 }

/** The steps, after one that clears the counters if any of them needs those. */
export function withSplitCounters(steps: readonly Step[]): readonly Step[] {
  const needed = steps.some((step) => step.kind === 'kernel' && step.launch.writes.includes(splitCounters))
  if (!needed) return steps
  const view = { buffer: splitCounters, dtype: 'int32', shape: [splitTiles], strides: [1], offset: 0 } as const
  return [{ kind: 'kernel', nodes: [], operator: 'ClearCounters', precision: 'int32', launch: fill(view, 0) }, ...steps]
}
