import type { Tensor } from '@lowlat/core'
import { perRowOf, type Rows, usedOf } from '../rows.ts'
import type { ActivationParameters } from '../sites.ts'
import { levelsOf, roundTo } from '../weights/quantize-weight.ts'
import type { LayerGeometry } from './layer-geometry.ts'
import { type PatchReader, patchReader } from './patches.ts'

export interface InputMomentsOptions {
  /** Vectors of inputs per row of the batch, evenly spread over the output positions. */
  readonly positions: number
  /** Whether {@link InputMoments.covariance} will be asked for, which takes time and memory with inputs squared. */
  readonly covariance: boolean
}

/**
 * Mean and covariance of a layer's inputs per group, gathered from sample after sample; its memory is independent of
 * their number.
 */
export class InputMoments {
  /** Sums of x * transpose(x) per group, [inputs, inputs]; the lower triangle. */
  readonly #products: Float64Array[]
  /** Sums of x per group, as the layer sees it and as it is in float. */
  readonly #sums: Float64Array[]
  readonly #floatSums: Float64Array[]
  #count = 0
  readonly #geometry: LayerGeometry
  readonly #vector: Float64Array

  readonly #positions: number

  constructor(geometry: LayerGeometry, { positions, covariance }: InputMomentsOptions) {
    const { groups, inputs } = geometry
    this.#geometry = geometry
    this.#positions = positions
    this.#products = !covariance ? [] : Array.from({ length: groups }, () => new Float64Array(inputs * inputs))
    this.#sums = Array.from({ length: groups }, () => new Float64Array(inputs))
    this.#floatSums = Array.from({ length: groups }, () => new Float64Array(inputs))
    this.#vector = new Float64Array(inputs)
  }

  /**
   * @param quantization how the layer sees its input; as it is when absent.
   * @param rows of the batch; an input whose positions do not divide into them counts as one.
   */
  add(input: Tensor, quantization?: ActivationParameters, rows: Rows = { count: 1, used: 1 }): void {
    const reader = patchReader(this.#geometry, input.shape)
    const data = input.toFloat32()
    const used = usedOf(reader.positions, rows)
    const perRow = perRowOf(reader.positions, rows)
    const step = Math.max(1, perRow / this.#positions)
    for (let row = 0; row < used; row += perRow) {
      for (let at = 0; at < perRow; at += step) this.#addPosition(reader, data, row + Math.floor(at), quantization)
    }
  }

  #addPosition(
    reader: PatchReader,
    data: ArrayLike<number>,
    position: number,
    quantization: ActivationParameters | undefined,
  ): void {
    const { groups } = this.#geometry
    for (let group = 0; group < groups; group++) {
      reader.read(data, position, group, this.#vector)
      addVector(this.#floatSums[group]!, this.#vector)
      if (quantization) fakeQuantize(this.#vector, quantization)
      addVector(this.#sums[group]!, this.#vector)
      const products = this.#products[group]
      if (products) addOuterProduct(products, this.#vector)
    }
    this.#count++
  }

  /** E[x], of the inputs as the layer sees them. */
  mean(group: number): Float64Array {
    return this.#sums[group]!.map((sum) => sum / Math.max(1, this.#count))
  }

  /** E[x] of the inputs before they were quantized. */
  floatMean(group: number): Float64Array {
    return this.#floatSums[group]!.map((sum) => sum / Math.max(1, this.#count))
  }

  /** E[x * transpose(x)] - E[x] * E[transpose(x)], [inputs, inputs]. */
  covariance(group: number): Float64Array {
    const { inputs } = this.#geometry
    const products = this.#products[group]!
    const mean = this.mean(group)
    const covariance = new Float64Array(products.length)
    for (let i = 0; i < inputs; i++) {
      for (let j = 0; j <= i; j++) {
        const value = products[i * inputs + j]! / Math.max(1, this.#count) - mean[i]! * mean[j]!
        covariance[i * inputs + j] = value
        covariance[j * inputs + i] = value
      }
    }
    return covariance
  }
}

function addVector(sums: Float64Array, x: Float64Array): void {
  for (let i = 0; i < x.length; i++) sums[i]! += x[i]!
}

function addOuterProduct(products: Float64Array, x: Float64Array): void {
  for (let i = 0; i < x.length; i++) {
    const factor = x[i]!
    if (factor === 0) continue // half of all inputs behind a rectifier
    const row = i * x.length
    for (let j = 0; j <= i; j++) products[row + j]! += factor * x[j]!
  }
}

function fakeQuantize(x: Float64Array, { dtype, scale, zeroPoint }: ActivationParameters): void {
  const levels = levelsOf({ dtype, symmetric: false }, zeroPoint)
  for (let i = 0; i < x.length; i++) x[i] = (roundTo(x[i]!, scale, levels) - zeroPoint) * scale
}
