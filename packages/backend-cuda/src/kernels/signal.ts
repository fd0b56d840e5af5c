import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'

export interface SignalArgs {
  /** uint32 [1] of device memory: how many runs have ended. */
  readonly counter: View
  /** uint32 [1] of pinned host memory that the device can write. */
  readonly target: View
}

/** Adds one to the counter and stores it where the host sees it, after everything before it in the stream. */
export declare function signal(args: SignalArgs): Launch
