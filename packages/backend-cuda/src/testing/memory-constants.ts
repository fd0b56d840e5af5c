import type { DType, Shape } from '@lowlat/core'
import type { ConstantStore } from '../program/constants.ts'
import { type DeviceBuffer, rowMajorStrides, sizeBytesOf, type View } from '../program/view.ts'

/** Packed weights in ordinary memory. */
export class MemoryConstants implements ConstantStore {
  readonly bytes = new Map<DeviceBuffer, Uint8Array>()
  readonly #views = new Map<string, View>()

  get(key: string, dtype: DType, shape: Shape, make: () => Uint8Array): View {
    let view = this.#views.get(key)
    if (!view) {
      const buffer: DeviceBuffer = { kind: 'constant', name: key, sizeBytes: sizeBytesOf(dtype, shape) }
      const bytes = make()
      if (bytes.length !== buffer.sizeBytes) {
        throw new Error(`expected ${buffer.sizeBytes} bytes for the constant '${key}', got ${bytes.length}`)
      }
      view = { buffer, dtype, shape, strides: rowMajorStrides(shape), offset: 0 }
      this.bytes.set(buffer, bytes)
      this.#views.set(key, view)
    }
    return view
  }
}
