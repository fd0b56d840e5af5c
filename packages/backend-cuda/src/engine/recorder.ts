import type { CudaModule, Kernel, Workspace } from '@lowlat/cuda-driver'
import { signal } from '../kernels/signal.ts'
import { packArguments } from '../memory/pack-arguments.ts'
import type { Launch } from '../program/launch.ts'
import { statusBuffer } from '../program/status.ts'
import { bytesPerElement, type DeviceBuffer, type View } from '../program/view.ts'
import type { Prepared } from './prepared.ts'
import type { RunControl } from './run-control.ts'
import type { DevicePhase, Transfer } from './schedule.ts'

/** What the signal kernel counts in and writes to; not part of any program. */
const counter: DeviceBuffer = { kind: 'temporary', name: 'counter', sizeBytes: 4 }
const flag: DeviceBuffer = { kind: 'output', name: 'flag', sizeBytes: 4 }
const word = (buffer: DeviceBuffer): View => ({ buffer, dtype: 'uint32', shape: [1], strides: [1], offset: 0 })
const signalLaunch = signal({ counter: word(counter), target: word(flag) })

interface RecorderParts {
  readonly workspace: Workspace
  readonly control: RunControl
  readonly prepared: Prepared
  readonly module: CudaModule
  /** Where a constant of the plan is; undefined for the tables of single programs. */
  readonly constantAddress: (buffer: DeviceBuffer) => number | undefined
}

/** Gives the phases of a prepared program to the stream of a workspace, be it to run them or to capture them. */
export class Recorder {
  readonly control: RunControl
  readonly #workspace: Workspace
  readonly #prepared: Prepared
  readonly #module: CudaModule
  readonly #constantAddress: RecorderParts['constantAddress']
  readonly #launches = new Map<Launch, { kernel: Kernel; parameters: Uint8Array }>()

  constructor({ workspace, control, prepared, module, constantAddress }: RecorderParts) {
    this.#workspace = workspace
    this.control = control
    this.#prepared = prepared
    this.#module = module
    this.#constantAddress = constantAddress
  }

  /** Makes all kernels and their parameters ready, before a stream is captured. @throws BackendError. */
  prepare(): void {
    for (const step of this.#prepared.program.steps) if (step.kind === 'kernel') this.#prepareLaunch(step.launch)
    this.#prepareLaunch(signalLaunch)
  }

  #prepareLaunch(launch: Launch): void {
    const kernel = this.#module.kernel(launch.kernel)
    kernel.prepare(launch.sharedBytes)
    const parameters = packArguments(launch, (buffer) => this.#addressOf(buffer))
    this.#launches.set(launch, { kernel, parameters })
  }

  /** @param between called before the copies to the device, before each kernel, after the last one, and at the end. */
  phase({ uploads, steps, downloads }: DevicePhase, isFirst: boolean, between: () => void = () => {}): void {
    const { stream, staging } = this.#workspace
    const { usesStatus } = this.#prepared.schedule
    between()
    if (isFirst && usesStatus) this.control.clearStatus()
    for (const { view, stagingOffset, sizeBytes } of uploads) {
      stream.copyToDevice(this.#addressOfView(view), staging.address + stagingOffset, sizeBytes)
    }
    between()
    for (const { launch } of steps) {
      this.#launch(launch)
      between()
    }
    for (const { view, stagingOffset, sizeBytes } of downloads) {
      stream.copyToHost(staging.address + stagingOffset, this.#addressOfView(view), sizeBytes)
    }
    if (usesStatus) this.control.downloadStatus()
    between()
    this.#launch(signalLaunch)
  }

  #launch(launch: Launch): void {
    const { kernel, parameters } = this.#launches.get(launch)!
    const { grid, threads, sharedBytes } = launch
    kernel.launch({ grid, threads, sharedBytes, stream: this.#workspace.stream, parameters })
  }

  #addressOfView({ buffer, dtype, offset }: View): number {
    return this.#addressOf(buffer) + offset * bytesPerElement(dtype)
  }

  #addressOf(buffer: DeviceBuffer): number {
    if (buffer.kind === 'constant') {
      const address = this.#constantAddress(buffer) ?? this.#prepared.tableAddress(buffer)
      if (address !== undefined) return address
    } else {
      const offset = this.#prepared.arena.offsets.get(buffer)
      if (offset !== undefined) return this.#workspace.arena.address + offset
      if (buffer === statusBuffer) return this.control.statusAddress
      if (buffer === counter) return this.control.counterAddress
      if (buffer === flag) return this.#workspace.signal.address
    }
    throw new Error(`the ${buffer.kind} buffer '${buffer.name}' has no address`)
  }

  /** The pinned memory of a transfer. */
  staged({ stagingOffset, sizeBytes }: Transfer): Uint8Array {
    return this.#workspace.staging.bytes(stagingOffset, sizeBytes)
  }
}
