import { CompletionSignal } from './completion-signal.ts'
import type { CudaContext } from './context.ts'
import type { DeviceMemory } from './device-memory.ts'
import type { PinnedMemory } from './pinned-memory.ts'
import { acquire, type Resources } from './resources.ts'
import { Slab } from './slab.ts'
import type { CudaStream } from './stream.ts'

/** What the memory of a workspace has to hold. */
export interface WorkspaceSizes {
  /** In device memory. */
  readonly arenaBytes: number
  /** In pinned memory, for inputs and outputs on their way. */
  readonly stagingBytes: number
}

/** Stream and memory of one execution context. Arena and staging grow where shapes need more, by being replaced. */
export class Workspace implements Disposable {
  readonly stream: CudaStream
  readonly signal: CompletionSignal
  readonly #arena: Slab<DeviceMemory>
  readonly #staging: Slab<PinnedMemory>
  readonly #resources: Resources

  /** @throws BackendError OUT_OF_MEMORY and others; nothing is kept then. */
  constructor(context: CudaContext, { arenaBytes, stagingBytes }: WorkspaceSizes) {
    const parts = acquire((resources) => {
      const stream = resources.own(context.createStream())
      const signal = resources.own(new CompletionSignal(stream))
      const arena = resources.own(new Slab((sizeBytes) => context.allocate(sizeBytes), arenaBytes))
      const staging = resources.own(new Slab((sizeBytes) => context.allocatePinned(sizeBytes), stagingBytes))
      return { stream, signal, arena, staging, resources }
    })
    this.stream = parts.stream
    this.signal = parts.signal
    this.#arena = parts.arena
    this.#staging = parts.staging
    this.#resources = parts.resources
  }

  get context(): CudaContext {
    return this.stream.context
  }

  get arena(): DeviceMemory {
    return this.#arena.memory
  }

  get staging(): PinnedMemory {
    return this.#staging.memory
  }

  /** What there is now. */
  get sizes(): WorkspaceSizes {
    return { arenaBytes: this.#arena.sizeBytes, stagingBytes: this.#staging.sizeBytes }
  }

  holds({ arenaBytes, stagingBytes }: WorkspaceSizes): boolean {
    return this.#arena.holds(arenaBytes) && this.#staging.holds(stagingBytes)
  }

  /** Makes room. Nothing may refer to the addresses from before. @throws BackendError OUT_OF_MEMORY. */
  grow({ arenaBytes, stagingBytes }: WorkspaceSizes): void {
    this.#arena.grow(arenaBytes)
    this.#staging.grow(stagingBytes)
  }

  /** Resolves once nothing runs any more; at once where the device is known to be lost. @throws BackendError. */
  async idle(): Promise<void> {
    if (!this.context.lost) await this.signal.idle()
  }

  /** To be called when nothing runs any more. */
  dispose(): void {
    this.#resources.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
