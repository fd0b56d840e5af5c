import type { DeviceBuffer } from './view.ts'

/**
 * Where kernels note that values of a run are not allowed: one int32 per context, 0 before each run. A launch that may
 * write it names it among its `writes` and points to it; the run then fails with RUN_FAILED where it is not 0.
 */
export const statusBuffer: DeviceBuffer = { kind: 'temporary', name: 'status', sizeBytes: 4 }

/** What kernels write there; larger numbers win where several do (atomic_max). */
export const runStatus = {
  /** An index of Gather, Scatter or the like lies outside of its axis. */
  indexOutOfRange: 1,
} as const

/** What a status means, for the message of the error. */
export const statusText: Readonly<Record<number, string>> = {
  [runStatus.indexOutOfRange]: 'an index lies outside of its axis',
}
