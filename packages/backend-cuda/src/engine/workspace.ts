import { BackendError } from '@lowlat/core'
import type { CudaContext, CudaStream, DeviceMemory, PinnedMemory } from '@lowlat/cuda-driver'
import { statusBuffer, statusText } from '../program/status.ts'
import { acquire, Resources } from './resources.ts'

/** What the memory of a context has to hold. */
export interface Needs {
  readonly arenaBytes: number
  readonly stagingBytes: number
}

const CONTROL_BYTES = 256
/** In device memory: the number of the last run, and the status of the current one. */
const COUNTER_OFFSET = 0
const STATUS_OFFSET = 128
/** In pinned memory: the same, as elements of 4 bytes. */
const SEQUENCE = 0
const STATUS = 32

/** Stream and memory of one context. Arena and staging grow where shapes need more, by being replaced. */
export class Workspace implements Disposable {
  readonly cuda: CudaContext
  readonly stream: CudaStream
  readonly #control: DeviceMemory
  readonly #flagMemory: PinnedMemory
  readonly #flags: Int32Array
  readonly #fixed: Resources
  #arena: DeviceMemory | undefined
  #staging: PinnedMemory | undefined
  #unsettled = false

  /** @throws BackendError OUT_OF_MEMORY and others; nothing is kept then. */
  constructor(cuda: CudaContext, needs: Needs) {
    this.cuda = cuda
    const parts = acquire((resources) => {
      const stream = resources.own(cuda.createStream())
      const control = resources.own(cuda.allocate(CONTROL_BYTES))
      const flagMemory = resources.own(cuda.allocatePinned(CONTROL_BYTES))
      const flags = new Int32Array(flagMemory.buffer, 0, CONTROL_BYTES / 4)
      control.write(new Uint8Array(CONTROL_BYTES))
      flags.fill(0)
      const arena = resources.own(cuda.allocate(needs.arenaBytes))
      const staging = cuda.allocatePinned(needs.stagingBytes)
      return { stream, control, flagMemory, flags, arena, staging }
    })
    this.stream = parts.stream
    this.#control = parts.control
    this.#flagMemory = parts.flagMemory
    this.#flags = parts.flags
    this.#arena = parts.arena
    this.#staging = parts.staging
    this.#fixed = new Resources()
    for (const part of [parts.stream, parts.control, parts.flagMemory]) this.#fixed.own(part)
  }

  /** Whether these needs are met. */
  holds({ arenaBytes, stagingBytes }: Needs): boolean {
    return (this.#arena?.sizeBytes ?? -1) >= arenaBytes && (this.#staging?.sizeBytes ?? -1) >= stagingBytes
  }

  /** Makes room. Nothing may refer to the addresses from before. @throws BackendError OUT_OF_MEMORY. */
  grow(needs: Needs): void {
    // The old region goes first: both at once may not fit.
    if ((this.#arena?.sizeBytes ?? -1) < needs.arenaBytes) {
      const old = this.#arena
      this.#arena = undefined
      old?.dispose()
      this.#arena = this.cuda.allocate(needs.arenaBytes)
    }
    if ((this.#staging?.sizeBytes ?? -1) < needs.stagingBytes) {
      const old = this.#staging
      this.#staging = undefined
      old?.dispose()
      this.#staging = this.cuda.allocatePinned(needs.stagingBytes)
    }
  }

  get arena(): DeviceMemory {
    return this.#arena!
  }

  get staging(): PinnedMemory {
    return this.#staging!
  }

  /** Of the sequence number: on the device, where it is counted, and in pinned memory, where it is shown. */
  get signalAddresses(): { counter: number; flag: number } {
    return {
      counter: this.#control.address + COUNTER_OFFSET,
      flag: this.#flagMemory.deviceAddress + SEQUENCE * 4,
    }
  }

  /** Of {@link statusBuffer}. */
  get statusAddress(): number {
    return this.#control.address + STATUS_OFFSET
  }

  clearStatus(): void {
    this.stream.fill(this.statusAddress, 0, statusBuffer.sizeBytes)
  }

  downloadStatus(): void {
    this.stream.copyToHost(this.#flagMemory.address + STATUS * 4, this.statusAddress, statusBuffer.sizeBytes)
  }

  /** @throws BackendError RUN_FAILED for what kernels reported in the last run. */
  checkStatus(): void {
    const status = this.#flags[STATUS]!
    if (status === 0) return
    throw new BackendError('RUN_FAILED', {
      message: `The run failed: ${statusText[status] ?? `kernels reported status ${status}`}.`,
      remedy: 'Check the values of the inputs (indices in range, lengths above 0); the session goes on working.',
      received: status,
    })
  }

  /** Starts work whose last kernel is the signal, and resolves once it is done. @throws BackendError. */
  async runToSignal(start: () => void): Promise<void> {
    if (this.#unsettled) await this.#settle()
    const sequence = (Atomics.load(this.#flags, SEQUENCE) + 1) | 0
    this.#unsettled = true
    start()
    await this.cuda.waitFor({ flags: this.#flags, index: SEQUENCE, sequence, stream: this.stream })
    this.#unsettled = false
  }

  /** After a failure something may still run that uses the memory. */
  async #settle(): Promise<void> {
    while (!this.stream.query()) await new Promise((resolve) => setImmediate(resolve))
    this.#unsettled = false
  }

  /** Resolves once nothing runs any more. */
  async idle(): Promise<void> {
    if (this.#unsettled && !this.cuda.lost) await this.#settle()
  }

  dispose(): void {
    const all = new Resources()
    all.own(this.#fixed)
    if (this.#arena) all.own(this.#arena)
    if (this.#staging) all.own(this.#staging)
    all.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
