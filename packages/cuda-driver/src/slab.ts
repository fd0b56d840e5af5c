import type { DeviceMemory } from './device-memory.ts'
import type { PinnedMemory } from './pinned-memory.ts'

/** Memory that grows where more is needed, by being replaced. */
export class Slab<M extends DeviceMemory | PinnedMemory> implements Disposable {
  readonly #allocate: (sizeBytes: number) => M
  #memory: M | undefined

  /** @throws BackendError OUT_OF_MEMORY. */
  constructor(allocate: (sizeBytes: number) => M, sizeBytes: number) {
    this.#allocate = allocate
    this.#memory = allocate(sizeBytes)
  }

  /** Not to be kept beyond the next `grow`. */
  get memory(): M {
    return this.#memory!
  }

  /** Of the memory that there is; 0 after it could not grow. */
  get sizeBytes(): number {
    return this.#memory?.sizeBytes ?? 0
  }

  holds(sizeBytes: number): boolean {
    return this.#memory !== undefined && this.#memory.sizeBytes >= sizeBytes
  }

  /**
   * Makes room, with what was in it lost. Nothing may refer to the addresses from before.
   * @throws BackendError OUT_OF_MEMORY: there is no memory until it has grown.
   */
  grow(sizeBytes: number): void {
    if (this.holds(sizeBytes)) return
    this.dispose() // first, since both at once may not fit
    this.#memory = this.#allocate(sizeBytes)
  }

  dispose(): void {
    const memory = this.#memory
    this.#memory = undefined
    memory?.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
