import type { DeviceStep, HostStep, Program, Step } from '../program/program.ts'
import { statusBuffer } from '../program/status.ts'
import { alignUp } from '../program/struct.ts'
import { type DeviceBuffer, sizeBytesOf, type View } from '../program/view.ts'

/** A contiguous tensor that is copied between the device and pinned memory. */
export interface Transfer {
  readonly name: string
  readonly view: View
  /** From the start of the pinned memory. */
  readonly stagingOffset: number
  readonly sizeBytes: number
}

/** What runs on the device without the host: one CUDA graph. */
export interface DevicePhase {
  readonly kind: 'device'
  readonly uploads: readonly Transfer[]
  readonly steps: readonly DeviceStep[]
  readonly downloads: readonly Transfer[]
}

export interface HostPhase {
  readonly kind: 'host'
  readonly step: HostStep
  /** Those of its inputs that were copied from the device; the others are feeds or come from earlier host steps. */
  readonly downloaded: readonly Transfer[]
}

export type Phase = DevicePhase | HostPhase

export interface Schedule {
  readonly phases: readonly Phase[]
  /** Outputs that come from the device; the others come from host steps, by name. */
  readonly downloads: readonly Transfer[]
  readonly outputs: readonly string[]
  readonly stagingBytes: number
  /** Whether some kernel may report that a value of the run is not allowed. */
  readonly usesStatus: boolean
}

/** Typed arrays of any kind start there. */
const STAGING_ALIGNMENT = 64

/** A device phase while it is put together. */
interface OpenPhase {
  readonly kind: 'device'
  readonly uploads: Transfer[]
  readonly steps: DeviceStep[]
  readonly downloads: Transfer[]
}

/** Cuts a program at its host steps, and says what is copied when. */
export function scheduleOf(program: Program): Schedule {
  const phases: (OpenPhase | HostPhase)[] = []
  let stagingBytes = 0
  const transfer = (name: string, view: View): Transfer => {
    const sizeBytes = Math.ceil(sizeBytesOf(view.dtype, view.shape))
    const stagingOffset = stagingBytes
    stagingBytes = alignUp(stagingBytes + sizeBytes, STAGING_ALIGNMENT)
    return { name, view, stagingOffset, sizeBytes }
  }
  const newPhase = (): OpenPhase => ({ kind: 'device', uploads: [], steps: [], downloads: [] })
  let current = newPhase()
  const read = new Set(program.steps.flatMap((step) => (step.kind === 'kernel' ? step.launch.reads : [])))
  for (const { name, view } of program.inputs) if (read.has(view.buffer)) current.uploads.push(transfer(name, view))
  const writtenIn = new Map<DeviceBuffer, OpenPhase>()
  for (const step of program.steps) {
    if (step.kind === 'kernel') {
      current.steps.push(step)
      for (const buffer of step.launch.writes) writtenIn.set(buffer, current)
      continue
    }
    const downloaded = step.inputs.filter(({ view }) => !isFeed(view)).map(({ name, view }) => transfer(name, view))
    current.downloads.push(...downloaded)
    phases.push(current, { kind: 'host', step, downloaded })
    current = newPhase()
    for (const { name, view } of step.outputs) if (view) current.uploads.push(transfer(name, view))
  }
  phases.push(current)
  const downloads: Transfer[] = []
  for (const { name, view } of program.outputs) {
    if (!view) continue
    const download = transfer(name, view)
    downloads.push(download)
    ;(writtenIn.get(view.buffer) ?? current).downloads.push(download)
  }
  const idle = (phase: Phase) =>
    phase.kind === 'device' && phase.steps.length + phase.uploads.length + phase.downloads.length === 0
  return {
    phases: phases.filter((phase) => !idle(phase)),
    downloads,
    outputs: program.outputs.map(({ name }) => name),
    stagingBytes,
    usesStatus: writtenIn.has(statusBuffer),
  }
}

/** Whether a view is a whole input of the model, which the host has. */
function isFeed({ buffer, dtype, shape }: View): boolean {
  return buffer.kind === 'input' && buffer.sizeBytes === sizeBytesOf(dtype, shape)
}

/** The program without what the given outputs do not need. */
export function pruneProgram(program: Program, outputs: readonly string[]): Program {
  const wanted = program.outputs.filter(({ name }) => outputs.includes(name))
  const needed = new Set<DeviceBuffer>()
  const names = new Set(wanted.filter(({ view }) => !view).map(({ name }) => name))
  for (const { view } of wanted) if (view) needed.add(view.buffer)
  let anyHost = false
  const isNeeded = (step: Step): boolean => {
    if (step.kind === 'kernel') return step.launch.writes.some((buffer) => needed.has(buffer))
    // Host steps may read from each other by name.
    return anyHost || step.outputs.some(({ name, view }) => names.has(name) || (view && needed.has(view.buffer)))
  }
  const steps: Step[] = []
  for (const step of [...program.steps].reverse()) {
    if (!isNeeded(step)) continue
    steps.unshift(step)
    if (step.kind === 'kernel') for (const buffer of step.launch.reads) needed.add(buffer)
    else {
      anyHost = true
      for (const { view } of step.inputs) needed.add(view.buffer)
    }
  }
  return { inputs: program.inputs, outputs: wanted, steps }
}
