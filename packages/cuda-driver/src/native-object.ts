import { DisposedError } from '@lowlat/core'
import type { CudaContext } from './context.ts'
import type { CallName } from './library.ts'

/** Kinds of native objects, as they are counted. */
export type ObjectKind = 'stream' | 'event' | 'deviceMemory' | 'pinnedMemory' | 'module' | 'graph' | 'graphExec'

/** How many native objects of each kind are alive: for tests of leaks, and for reports. */
export type ObjectCounts = Readonly<Record<ObjectKind, number>>

/**
 * Something that the driver made and that has to be given back with `dispose`; nothing is freed by the garbage
 * collector, since the GPU may still be using it.
 */
export abstract class NativeObject implements Disposable {
  readonly context: CudaContext
  readonly #kind: ObjectKind
  readonly #release: CallName
  #handle: number | undefined

  protected constructor(context: CudaContext, kind: ObjectKind, release: CallName, handle: number) {
    this.context = context
    this.#kind = kind
    this.#release = release
    this.#handle = handle
    context.count(kind, 1)
  }

  /** The driver's handle or address. @throws DisposedError. */
  get handle(): number {
    if (this.#handle !== undefined) return this.#handle
    throw new DisposedError({
      message: `This ${this.#kind} of the CUDA driver was disposed.`,
      remedy: 'Keep it until the last call that uses it.',
    })
  }

  get disposed(): boolean {
    return this.#handle === undefined
  }

  /** Gives it back to the driver; safe to call again. @throws BackendError when the driver refuses. */
  dispose(): void {
    if (this.#handle === undefined) return
    const handle = this.#handle
    this.#handle = undefined
    // Given back, whatever the driver answers: calls report errors of earlier work too.
    this.context.count(this.#kind, -1)
    this.context.release(this.#release, handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
