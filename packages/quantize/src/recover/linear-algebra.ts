/** Square matrices, row-major in Float64Array. */

/**
 * Upper factor U of a symmetric positive definite matrix's inverse: inverse(a) = transpose(U) * U. Overwrites nothing.
 * Undefined when the matrix is not positive definite in double precision.
 */
export function inverseCholesky(a: Float64Array, size: number): Float64Array | undefined {
  // With P the reversal of rows and columns, P a P = L transpose(L); then U = P inverse(L) P is upper triangular.
  const reversed = new Float64Array(a.length)
  for (let i = 0; i < a.length; i++) reversed[a.length - 1 - i] = a[i]!
  const lower = cholesky(reversed, size)
  if (!lower) return undefined
  const inverse = inverseOfLower(lower, size)
  return inverse.reverse()
}

/** Lower triangular L with a = L * transpose(L). */
export function cholesky(a: Float64Array, size: number): Float64Array | undefined {
  const lower = new Float64Array(a.length)
  for (let i = 0; i < size; i++) {
    const rowI = i * size
    for (let j = 0; j <= i; j++) {
      const rowJ = j * size
      let sum = a[rowI + j]!
      for (let k = 0; k < j; k++) sum -= lower[rowI + k]! * lower[rowJ + k]!
      if (i === j) {
        if (!(sum > 0)) return undefined
        lower[rowI + i] = Math.sqrt(sum)
      } else {
        lower[rowI + j] = sum / lower[rowJ + j]!
      }
    }
  }
  return lower
}

function inverseOfLower(lower: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(lower.length)
  for (let i = 0; i < size; i++) {
    const row = i * size
    const diagonal = 1 / lower[row + i]!
    inverse[row + i] = diagonal
    // Row i of the inverse is a combination of the rows above it.
    for (let k = 0; k < i; k++) {
      const factor = -lower[row + k]! * diagonal
      if (factor === 0) continue
      const above = k * size
      for (let j = 0; j <= k; j++) inverse[row + j]! += factor * inverse[above + j]!
    }
  }
  return inverse
}
