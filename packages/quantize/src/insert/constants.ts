import { Tensor } from '@lowlat/core'
import type { Graph, Value } from '@lowlat/onnx'
import type { QuantizedType } from '../sites.ts'

/** Scales and zero points of a graph: those that are equal are one initializer. */
export class QuantizationConstants {
  readonly #graph: Graph
  readonly #known = new Map<string, Value>()

  constructor(graph: Graph) {
    this.#graph = graph
  }

  /** A scalar, or a vector with one scale per channel. */
  scale(scales: number | Float32Array): Value {
    if (typeof scales === 'number') return this.#once('scale', new Tensor('float32', [], Float32Array.of(scales)))
    return this.#once('scale', new Tensor('float32', [scales.length], scales))
  }

  zeroPoint(dtype: QuantizedType | 'int32', zeroPoints: number | Int32Array): Value {
    const shape = typeof zeroPoints === 'number' ? [] : [zeroPoints.length]
    const list = typeof zeroPoints === 'number' ? [zeroPoints] : zeroPoints
    const arrays = { int8: Int8Array, uint8: Uint8Array, int32: Int32Array }
    return this.#once('zero_point', Tensor.fromBytes(dtype, shape, bytesOf(arrays[dtype].from(list))))
  }

  #once(name: string, tensor: Tensor): Value {
    const key = `${tensor.dtype} ${tensor.shape} ${Buffer.from(tensor.bytes).toString('latin1')}`
    const known = this.#known.get(key)
    if (known) return known
    const value = this.#graph.addInitializer(this.#graph.uniqueName(`quantization.${name}`), tensor)
    this.#known.set(key, value)
    return value
  }
}

function bytesOf(array: Int8Array | Uint8Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
