import type { DType, Shape } from '@lowlat/core'
import { ALIGNMENT } from '../memory/arena.ts'
import type { ConstantStore } from '../program/constants.ts'
import { alignUp } from '../program/struct.ts'
import { rowMajorStrides, sizeBytesOf, type View } from '../program/view.ts'
import type { ConstantEntry } from './header.ts'

/** Collects packed weights while a model is compiled. */
export class PackingStore implements ConstantStore {
  readonly #entries = new Map<string, ConstantEntry & { readonly view: View; readonly bytes: Uint8Array }>()
  #sizeBytes = 0

  get(key: string, dtype: DType, shape: Shape, make: () => Uint8Array): View {
    const known = this.#entries.get(key)
    if (known) return known.view
    const bytes = make()
    const sizeBytes = sizeBytesOf(dtype, shape)
    if (bytes.byteLength !== sizeBytes) {
      throw new Error(`expected ${sizeBytes} bytes for '${key}', a ${dtype} [${shape}], got ${bytes.byteLength}`)
    }
    const view = constantView(key, dtype, shape)
    this.#entries.set(key, { key, dtype, shape, offset: this.#sizeBytes, sizeBytes, view, bytes })
    this.#sizeBytes += alignUp(sizeBytes, ALIGNMENT)
    return view
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get entries(): ConstantEntry[] {
    return [...this.#entries.values()].map(({ view: _, bytes: __, ...entry }) => entry)
  }

  /** Whether some constant was packed from the initializer of that name: keys begin with the names that they are made of. */
  holdsWeight(name: string): boolean {
    return [...this.#entries.keys()].some((key) => `+${key}`.includes(`+${name}/`) || `+${key}`.includes(`+${name}+`))
  }

  /** All of it in order, with zeros between: pieces whose sizes are multiples of 256. */
  *chunks(): Generator<Uint8Array> {
    for (const { bytes } of this.#entries.values()) {
      const rest = bytes.byteLength % ALIGNMENT
      if (rest === 0) {
        if (bytes.byteLength > 0) yield bytes
        continue
      }
      if (bytes.byteLength > rest) yield bytes.subarray(0, bytes.byteLength - rest)
      const tail = new Uint8Array(ALIGNMENT)
      tail.set(bytes.subarray(bytes.byteLength - rest))
      yield tail
    }
  }
}

/** A contiguous row-major constant. */
export function constantView(key: string, dtype: DType, shape: Shape): View {
  const buffer = { kind: 'constant', name: key, sizeBytes: sizeBytesOf(dtype, shape) } as const
  return { buffer, dtype, shape, strides: rowMajorStrides(shape), offset: 0 }
}
