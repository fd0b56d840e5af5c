import { createRandom } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { cholesky, inverseCholesky } from './linear-algebra.ts'
import { type RowRounding, roundRows } from './round-rows.ts'

const random = createRandom(7)
const normals = (count: number) => random.normals(new Float32Array(count), 1)

/** Second moments of inputs that depend on one another, as neighbouring channels do. */
function correlatedMoments(size: number, samples: number): { moments: Float64Array; xs: Float64Array[] } {
  const mixing = normals(size * 3)
  const moments = new Float64Array(size * size)
  const xs = Array.from({ length: samples }, () => {
    const hidden = normals(3)
    const own = normals(size)
    return Float64Array.from(
      { length: size },
      (_, i) =>
        0.3 * own[i]! + mixing[i]! * hidden[0]! + mixing[size + i]! * hidden[1]! + mixing[2 * size + i]! * hidden[2]!,
    )
  })
  for (const x of xs)
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) moments[i * size + j]! += x[i]! * x[j]!
  return { moments, xs }
}

describe('inverseCholesky', () => {
  it('factors the inverse', () => {
    const size = 6
    const { moments } = correlatedMoments(size, 50)
    const upper = inverseCholesky(moments, size)!
    // moments * transpose(U) * U is the identity.
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        let sum = 0
        for (let k = 0; k < size; k++) {
          let inverse = 0
          for (let l = 0; l < size; l++) inverse += upper[l * size + k]! * upper[l * size + j]!
          sum += moments[i * size + k]! * inverse
        }
        expect(sum).toBeCloseTo(i === j ? 1 : 0, 8)
        if (j < i) expect(upper[i * size + j]).toBe(0)
      }
    }
  })

  it('says when a matrix is not positive definite', () => {
    expect(cholesky(new Float64Array([1, 2, 2, 1]), 2)).toBeUndefined()
    expect(inverseCholesky(new Float64Array(4), 2)).toBeUndefined()
  })
})

describe('roundRows', () => {
  const inputs = 24
  const rows = 5
  const { moments, xs } = correlatedMoments(inputs, 400)
  const weights = normals(rows * inputs)
  const scales = Float32Array.from({ length: rows }, (_, row) => {
    const own = weights.subarray(row * inputs, (row + 1) * inputs)
    return Math.max(...own.map(Math.abs)) / 7
  })
  const task: RowRounding = {
    weights,
    rows,
    inputs,
    moments,
    scales,
    zeroPoints: new Int32Array(rows),
    lowest: -7,
    highest: 7,
  }
  const outputError = (integers: ArrayLike<number>) => {
    let sum = 0
    for (const x of xs) {
      for (let row = 0; row < rows; row++) {
        let difference = 0
        for (let i = 0; i < inputs; i++) {
          difference += (weights[row * inputs + i]! - integers[row * inputs + i]! * scales[row]!) * x[i]!
        }
        sum += difference * difference
      }
    }
    return sum
  }
  const nearest = Array.from(weights, (value, i) => Math.round(value / scales[Math.floor(i / inputs)]!) + 0)

  it('changes the output less than rounding to nearest does', () => {
    const rounded = roundRows(task)!
    expect(outputError(rounded)).toBeLessThan(0.5 * outputError(nearest))
    expect(Math.max(...rounded.map(Math.abs))).toBeLessThanOrEqual(7)
  })

  it('rounds to nearest where inputs do not depend on one another', () => {
    const independent = new Float64Array(inputs * inputs)
    for (let i = 0; i < inputs; i++) independent[i * inputs + i] = 1 + i
    expect([...roundRows({ ...task, moments: independent })!]).toEqual(nearest)
  })

  it('takes inputs that are always zero', () => {
    const dead = moments.slice()
    for (let i = 0; i < inputs; i++) dead[3 * inputs + i] = dead[i * inputs + 3] = 0
    expect(roundRows({ ...task, moments: dead })).toHaveLength(rows * inputs)
    expect(roundRows({ ...task, moments: new Float64Array(inputs * inputs) })).toHaveLength(rows * inputs)
  })
})
