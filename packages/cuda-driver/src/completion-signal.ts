import type { PinnedMemory } from './pinned-memory.ts'
import type { CudaStream } from './stream.ts'

/**
 * How the work of a stream tells the host that it is done: what is started ends by writing its number to a word of
 * pinned memory. One piece of work at a time.
 *
 * The word can be written by
 * - a kernel that counts in device memory, from 0, and writes its count: it can be captured, and costs no call;
 * - `stream.writeValue32(signal.address, sequence)` after a graph was launched or work was enqueued: one call more;
 * - the same inside of a capture, which keeps the value: every run then has to be given that value as its number.
 */
export class CompletionSignal implements Disposable {
  readonly #stream: CudaStream
  readonly #memory: PinnedMemory
  readonly #word: Int32Array
  /** Something was started and has not been seen to end. */
  #unsettled = false

  /** @throws BackendError OUT_OF_MEMORY. */
  constructor(stream: CudaStream) {
    this.#stream = stream
    this.#memory = stream.context.allocatePinned(4)
    this.#word = new Int32Array(this.#memory.buffer, 0, 1)
    this.#word[0] = 0
  }

  /** Where to write, as the GPU sees it: uint32 [1], 0 at first. */
  get address(): number {
    return this.#memory.deviceAddress
  }

  /**
   * Starts work and resolves once it has written its number, without blocking the event loop.
   * @param start gives the work to the stream, to end by writing `sequence`.
   * @param fixed the number, where it is always the same; by default one more than the last one (wrapping around at
   * 32 bits).
   * @throws (as rejection) whatever `start` throws; BackendError where the work fails, or ends without its number.
   */
  async run(start: (sequence: number) => void, fixed?: number): Promise<void> {
    if (this.#unsettled) await this.idle()
    const sequence = (fixed ?? Atomics.load(this.#word, 0) + 1) | 0
    Atomics.store(this.#word, 0, (sequence - 1) | 0) // no change, but for a fixed number
    this.#unsettled = true
    start(sequence)
    await this.#stream.context.waitFor({ word: this.#word, sequence, stream: this.#stream })
    this.#unsettled = false
  }

  /** Resolves once nothing runs any more, which after a failure may take a while. @throws BackendError. */
  async idle(): Promise<void> {
    if (!this.#unsettled) return
    while (!this.#stream.query()) await new Promise((resolve) => setImmediate(resolve))
    this.#unsettled = false
  }

  /** To be called when nothing runs any more. */
  dispose(): void {
    this.#memory.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
