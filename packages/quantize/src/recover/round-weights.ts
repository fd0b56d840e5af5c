import { type Shape, sizeOf, type Tensor } from '@lowlat/core'
import { dequantizedWeight } from '../simulate/dequantized-weight.ts'
import type { WeightParameters } from '../sites.ts'
import type { InputMoments } from './input-moments.ts'
import type { LayerGeometry } from './layer-geometry.ts'
import { roundRows } from './round-rows.ts'

/**
 * The same scales with integers that keep the layer's output (see {@link roundRows}) instead of the nearest ones, up to
 * its mean per channel, which {@link biasShift} mends. Undefined where the inputs' covariance cannot be inverted.
 */
export function roundWeights(
  weight: Tensor,
  parameters: WeightParameters,
  geometry: LayerGeometry,
  moments: InputMoments,
): WeightParameters | undefined {
  const { groups, rows, inputs, transposed } = geometry
  const floats = transposed ? transpose(weight.toFloat32(), [inputs, rows]) : weight.toFloat32()
  const [lowest, highest] = rangeOf(parameters)
  const integers = new Int32Array(sizeOf(weight.shape))
  for (let group = 0; group < groups; group++) {
    const first = group * rows
    const channels = Array.from({ length: rows }, (_, row) => (parameters.scales.length === 1 ? 0 : first + row))
    const rounded = roundRows({
      weights: floats.subarray(first * inputs, (first + rows) * inputs),
      rows,
      inputs,
      moments: moments.covariance(group),
      scales: Float32Array.from(channels, (channel) => parameters.scales[channel]!),
      zeroPoints: Int32Array.from(channels, (channel) => parameters.zeroPoints[channel]!),
      lowest,
      highest,
    })
    if (!rounded) return undefined
    integers.set(rounded, first * inputs)
  }
  const stored = transposed ? transpose(integers, [rows, inputs]) : integers
  const data = parameters.dtype === 'int8' ? Int8Array.from(stored) : Uint8Array.from(stored)
  return { ...parameters, data }
}

/**
 * What has to be added to the bias, per output channel, for the layer's mean output to be that of the float weights
 * (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction"): on the same quantized
 * inputs, W * E[q] - dequantized W * E[q], or on float inputs, W * E[x] - dequantized W * E[q], which also takes back
 * what rounding and clipping the inputs shifts.
 */
export function biasShift(
  weight: Tensor,
  parameters: WeightParameters,
  { groups, rows, inputs, transposed }: LayerGeometry,
  moments: InputMoments,
  reference: 'quantized inputs' | 'float inputs',
): Float32Array {
  const float = weight.toFloat32()
  const real = dequantizedWeight(parameters, weight.shape).data
  const shift = new Float32Array(groups * rows)
  for (let group = 0; group < groups; group++) {
    const mean = moments.mean(group)
    const wanted = reference === 'float inputs' ? moments.floatMean(group) : mean
    for (let row = group * rows; row < (group + 1) * rows; row++) {
      let sum = 0
      for (let i = 0; i < inputs; i++) {
        const at = transposed ? i * rows + row : row * inputs + i
        sum += float[at]! * wanted[i]! - real[at]! * mean[i]!
      }
      shift[row] = sum
    }
  }
  return shift
}

/** The integers that the scheme in use allows: symmetric int8 leaves out -128. */
function rangeOf({ dtype, zeroPoints }: WeightParameters): readonly [number, number] {
  if (dtype === 'uint8') return [0, 255]
  return zeroPoints.every((zero) => zero === 0) ? [-127, 127] : [-128, 127]
}

function transpose<T extends Float32Array | Int32Array>(data: T, [rows = 0, columns = 0]: Shape): T {
  const out = data.slice() as T
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!
  return out
}
