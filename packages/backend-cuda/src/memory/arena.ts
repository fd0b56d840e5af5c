import type { Program, Step } from '../program/program.ts'
import { statusBuffer } from '../program/status.ts'
import { alignUp } from '../program/struct.ts'
import type { DeviceBuffer } from '../program/view.ts'

/** What the widest loads and the driver's own allocations are aligned to. */
export const ALIGNMENT = 256

export interface ArenaPlan {
  readonly sizeBytes: number
  /** Where each buffer starts, from the start of the arena. */
  readonly offsets: ReadonlyMap<DeviceBuffer, number>
}

/** When a buffer holds something: from step `first` to step `last`, both included. */
export interface Lifetime {
  readonly buffer: DeviceBuffer
  readonly first: number
  readonly last: number
}

/**
 * Places everything that a run of the program needs, but for constants, so that buffers which never live at the same time
 * share memory.
 */
export function planArena(program: Program): ArenaPlan {
  return placeBuffers(lifetimesOf(program))
}

/** Inputs live from the start, outputs to the end: that is when they are copied. */
export function lifetimesOf({ inputs, outputs, steps }: Program): Lifetime[] {
  const spans = new Map<DeviceBuffer, { first: number; last: number }>()
  const touch = (buffer: DeviceBuffer, step: number) => {
    if (buffer.kind === 'constant' || buffer === statusBuffer) return
    const span = spans.get(buffer)
    if (!span) spans.set(buffer, { first: step, last: step })
    else {
      span.first = Math.min(span.first, step)
      span.last = Math.max(span.last, step)
    }
  }
  for (const { view } of inputs) touch(view.buffer, -1)
  for (const [index, step] of steps.entries()) for (const buffer of buffersOf(step)) touch(buffer, index)
  for (const { view } of outputs) if (view) touch(view.buffer, steps.length)
  return [...spans].map(([buffer, span]) => ({ buffer, ...span }))
}

function* buffersOf(step: Step): Generator<DeviceBuffer> {
  if (step.kind === 'kernel') {
    yield* step.launch.reads
    yield* step.launch.writes
    return
  }
  for (const { view } of step.inputs) yield view.buffer
  for (const { view } of step.outputs) if (view) yield view.buffer
}

/**
 * Largest first, each into the smallest gap that holds it between those that live at the same time (greedy by size, as
 * in Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
 */
export function placeBuffers(lifetimes: readonly Lifetime[]): ArenaPlan {
  const placed: { first: number; last: number; start: number; end: number }[] = []
  const offsets = new Map<DeviceBuffer, number>()
  const bySize = [...lifetimes].sort((a, b) => b.buffer.sizeBytes - a.buffer.sizeBytes || a.first - b.first)
  let sizeBytes = 0
  for (const { buffer, first, last } of bySize) {
    const size = alignUp(buffer.sizeBytes, ALIGNMENT)
    const others = placed.filter((one) => one.first <= last && first <= one.last).sort((a, b) => a.start - b.start)
    let best: number | undefined
    let bestGap = Number.POSITIVE_INFINITY
    let end = 0
    for (const other of others) {
      const gap = other.start - end
      if (gap >= size && gap < bestGap) [best, bestGap] = [end, gap]
      end = Math.max(end, other.end)
    }
    const start = best ?? end
    offsets.set(buffer, start)
    placed.push({ first, last, start, end: start + size })
    sizeBytes = Math.max(sizeBytes, start + size)
  }
  return { sizeBytes, offsets }
}
