import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'

export const signalLayout = structLayout({ counter: 'pointer', target: 'pointer' })

interface SignalArgs {
  /** uint32 [1] of device memory: how many runs have ended. */
  readonly counter: View
  /** uint32 [1] of pinned host memory that the device can write. */
  readonly target: View
}

/** Adds one to the counter and stores it where the host sees it, after everything before it in the stream. */
export function signal({ counter, target }: SignalArgs): Launch {
  return {
    kernel: 'signal',
    layout: signalLayout,
    grid: [1, 1, 1],
    threads: 32,
    sharedBytes: 0,
    arguments: { counter: pointerTo(counter), target: pointerTo(target) },
    reads: [counter.buffer],
    writes: [counter.buffer, target.buffer],
    tactic: 'signal',
  }
}
