import { type Shape, sizeOf } from '@lowlat/core'

/**
 * Row-major indices of the elements that differ only along some axes: one list per place along the others, in row-major
 * order of those, and each in row-major order itself.
 */
export function rowsOf(shape: Shape, axes: readonly number[]): number[][] {
  const rows = new Map<number, number[]>()
  for (let index = 0; index < sizeOf(shape); index++) {
    let rest = index
    let row = 0
    let step = 1
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const place = rest % shape[axis]!
      rest = (rest - place) / shape[axis]!
      if (axes.includes(axis)) continue
      row += place * step
      step *= shape[axis]!
    }
    const elements = rows.get(row)
    if (elements) elements.push(index)
    else rows.set(row, [index])
  }
  return [...rows.values()]
}

/** The largest difference between two lists, relative to the expected values where those are above 1. */
export function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values, expected ${expected.length}`)
  return Array.from(expected).reduce((largest, value, index) => {
    if (Object.is(actual[index], value) || actual[index] === value) return largest
    const error = Math.abs(actual[index]! - value) / Math.max(1, Math.abs(value))
    return Number.isNaN(error) ? Infinity : Math.max(largest, error)
  }, 0)
}
