import type { Tensor } from '@lowlat/core'
import type { ActivationParameters } from '../sites.ts'
import type { LayerGeometry } from './layer-geometry.ts'
import { patchReader } from './patches.ts'

/** Vectors of inputs per sample, evenly spread over the output positions. */
const POSITIONS_PER_TENSOR = 64

/**
 * Second moments of a layer's inputs, sum of x * transpose(x) per group, gathered from sample after sample; its memory
 * is independent of their number.
 */
export class InputMoments {
  /** Per group, [inputs, inputs]; only the lower triangle until {@link of} is called. */
  readonly #sums: Float64Array[]
  readonly #geometry: LayerGeometry
  readonly #vector: Float64Array

  constructor(geometry: LayerGeometry) {
    const { groups, inputs } = geometry
    this.#geometry = geometry
    this.#sums = Array.from({ length: groups }, () => new Float64Array(inputs * inputs))
    this.#vector = new Float64Array(inputs)
  }

  /** @param quantization how the layer sees its input; as it is when absent. */
  add(input: Tensor, quantization?: ActivationParameters): void {
    const { groups, inputs } = this.#geometry
    const reader = patchReader(this.#geometry, input.shape)
    const data = input.toFloat32()
    const step = Math.max(1, reader.positions / POSITIONS_PER_TENSOR)
    for (let at = 0; at < reader.positions; at += step) {
      for (let group = 0; group < groups; group++) {
        reader.read(data, Math.floor(at), group, this.#vector)
        if (quantization) fakeQuantize(this.#vector, quantization)
        addOuterProduct(this.#sums[group]!, this.#vector, inputs)
      }
    }
  }

  /** The whole symmetric matrix of a group. */
  of(group: number): Float64Array {
    const { inputs } = this.#geometry
    const sum = this.#sums[group]!
    for (let i = 0; i < inputs; i++) for (let j = 0; j < i; j++) sum[j * inputs + i] = sum[i * inputs + j]!
    return sum
  }
}

function addOuterProduct(sum: Float64Array, x: Float64Array, size: number): void {
  for (let i = 0; i < size; i++) {
    const factor = x[i]!
    if (factor === 0) continue // half of all inputs behind a rectifier
    const row = i * size
    for (let j = 0; j <= i; j++) sum[row + j]! += factor * x[j]!
  }
}

function fakeQuantize(x: Float64Array, { dtype, scale, zeroPoint }: ActivationParameters): void {
  const [lowest, highest] = dtype === 'uint8' ? [0, 255] : [-128, 127]
  for (let i = 0; i < x.length; i++) {
    const integer = Math.min(highest, Math.max(lowest, Math.round(x[i]! / scale) + zeroPoint))
    x[i] = (integer - zeroPoint) * scale
  }
}
