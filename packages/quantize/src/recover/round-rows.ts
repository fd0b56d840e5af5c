import { roundHalfEven } from '../weights/channel-scale.ts'
import { inverseCholesky } from './linear-algebra.ts'

/** Share of the mean diagonal that is added to the diagonal, so that inputs that are always zero can be inverted. */
const DAMPING = 0.01

export interface RowRounding {
  /** Rows of weights that read the same inputs, [rows, inputs]. */
  readonly weights: Float32Array
  readonly rows: number
  readonly inputs: number
  /** Second moments of the inputs, sum of x * transpose(x), [inputs, inputs]. */
  readonly moments: Float64Array
  /** Per row. */
  readonly scales: Float32Array
  readonly zeroPoints: Int32Array
  readonly lowest: number
  readonly highest: number
}

/**
 * Integers for weights such that the layer's output changes least: columns are rounded one after the other, and what a
 * rounding changes in the output is made up for by the columns that are still to come (Frantar et al. 2022, "GPTQ",
 * after "Optimal Brain Surgeon"). Columns with the strongest inputs come first.
 * @returns [rows, inputs] integers; undefined where the moments cannot be inverted.
 */
export function roundRows(task: RowRounding): Int32Array | undefined {
  const { weights, rows, inputs, moments, scales, zeroPoints, lowest, highest } = task
  const order = Array.from({ length: inputs }, (_, i) => i).sort(
    (a, b) => moments[b * inputs + b]! - moments[a * inputs + a]!,
  )
  const upper = inverseCholesky(damped(moments, order), inputs)
  if (!upper) return undefined
  const rounded = new Int32Array(rows * inputs)
  const rest = new Float64Array(inputs)
  for (let row = 0; row < rows; row++) {
    const start = row * inputs
    for (let i = 0; i < inputs; i++) rest[i] = weights[start + order[i]!]!
    const scale = scales[row]!
    const zero = zeroPoints[row]!
    for (let i = 0; i < inputs; i++) {
      const value = rest[i]!
      const integer = Math.min(highest, Math.max(lowest, roundHalfEven(value / scale) + zero))
      rounded[start + order[i]!] = integer
      const at = i * inputs
      const error = (value - (integer - zero) * scale) / upper[at + i]!
      for (let j = i + 1; j < inputs; j++) rest[j]! -= error * upper[at + j]!
    }
  }
  return rounded
}

function damped(moments: Float64Array, order: readonly number[]): Float64Array {
  const size = order.length
  const matrix = new Float64Array(size * size)
  let trace = 0
  for (let i = 0; i < size; i++) trace += moments[i * size + i]!
  const damping = trace > 0 ? (DAMPING * trace) / size : 1
  for (let i = 0; i < size; i++) {
    const from = order[i]! * size
    for (let j = 0; j < size; j++) matrix[i * size + j] = moments[from + order[j]!]!
    matrix[i * size + i]! += damping
  }
  return matrix
}
