import type { DeviceStep } from '../program/program.ts'
import { structLayout } from '../program/struct.ts'
import type { DeviceBuffer } from '../program/view.ts'

export const bufferOf = (kind: DeviceBuffer['kind'], name: string, sizeBytes: number): DeviceBuffer => {
  return { kind, name, sizeBytes }
}

/** A step of a kernel of which nothing counts but what it reads and writes. */
export function stepOf(name: string, reads: readonly DeviceBuffer[], writes: readonly DeviceBuffer[]): DeviceStep {
  const launch = {
    kernel: name,
    layout: structLayout({ n: 'int32' }),
    grid: [1, 1, 1],
    threads: 32,
    sharedBytes: 0,
    arguments: {},
    reads,
    writes,
    tactic: '',
  } as const
  return { kind: 'kernel', nodes: [name], operator: name, precision: 'fp32', launch }
}
