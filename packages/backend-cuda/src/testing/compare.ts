import type { Tensor } from '@lowlat/core'

/** Largest distance of an element, relative to the largest element of what is expected. */
export function relativeError(actual: Tensor, expected: Tensor): number {
  const [values, wanted] = [actual.toFloat32(), expected.toFloat32()]
  if (String(actual.shape) !== String(expected.shape))
    throw new Error(`expected [${expected.shape}], got [${actual.shape}]`)
  let [largest, error] = [0, 0]
  for (const [index, value] of wanted.entries()) {
    const distance = Math.abs(values[index]! - value)
    // NaN is larger than any error.
    if (!(distance <= error)) error = distance
    largest = Math.max(largest, Math.abs(value))
  }
  return largest === 0 ? error : error / largest
}

export function cosineSimilarity(actual: Tensor, expected: Tensor): number {
  const [values, wanted] = [actual.toFloat32(), expected.toFloat32()]
  let [product, left, right] = [0, 0, 0]
  for (const [index, value] of wanted.entries()) {
    product += values[index]! * value
    left += values[index]! ** 2
    right += value ** 2
  }
  return product / Math.sqrt(left * right)
}
