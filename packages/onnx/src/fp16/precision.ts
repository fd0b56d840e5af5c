import { Tensor } from '@lowlat/core'
import type { Value } from '../graph/value.ts'

/** Largest finite float16 (IEEE 754-2019, binary16). */
export const LARGEST_FLOAT16 = 65504

/** Twenty times what rounding to 11 bits loses. */
const TOLERANCE = 0.01

type Problem = 'overflow' | 'underflow'

/** Constants as float16, each converted once. */
export class HalfConstants {
  readonly #known = new Map<Value, { readonly tensor: Tensor<'float16'>; readonly problem: Problem | undefined }>()

  tensorOf(value: Value): Tensor<'float16'> {
    return this.#convert(value).tensor
  }

  /**
   * Why a constant is better left in float32: a finite element is beyond 65504, or the elements are so small that
   * together they lose 1 % (below 6e-5 float16 loses bits, at 6e-8 it ends). Infinities have their own float16.
   */
  problemOf(value: Value): Problem | undefined {
    return this.#convert(value).problem
  }

  #convert(value: Value) {
    const known = this.#known.get(value)
    if (known) return known
    const { shape, tensor: source } = value.initializer!
    const values = source.toFloat32()
    const tensor = Tensor.float16(shape, values)
    const converted = { tensor, problem: problemIn(values, tensor.toFloat32()) }
    this.#known.set(value, converted)
    return converted
  }
}

function problemIn(values: Float32Array, rounded: Float32Array): Problem | undefined {
  let size = 0
  let error = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (!Number.isFinite(value)) continue
    if (!Number.isFinite(rounded[i]!)) return 'overflow'
    const difference = rounded[i]! - value
    size += value * value
    error += difference * difference
  }
  return error > TOLERANCE * TOLERANCE * size ? 'underflow' : undefined
}
