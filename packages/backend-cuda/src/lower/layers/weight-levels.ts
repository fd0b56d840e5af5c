import { sizeOf, type Tensor } from '@lowlat/core'
import type { QuantizedWeight } from './quantized.ts'

/** Distances of weights from their zero points, from [integers, zero points]. */
export function levelsOf(
  { axis }: Pick<QuantizedWeight, 'axis'>,
  [integers, zeroPoints]: readonly (Tensor | undefined)[],
): Int16Array {
  if (integers?.dtype !== 'int8' && integers?.dtype !== 'uint8') {
    throw new Error(`expected 8-bit weights, got ${integers?.dtype ?? 'none'}`)
  }
  const levels = Int16Array.from(integers.data as Int8Array | Uint8Array)
  if (!zeroPoints) return levels
  const zeros = zeroPoints.data as Int8Array | Uint8Array
  const inner = sizeOf(integers.shape.slice(axis + 1))
  return levels.map((level, index) => level - zeros[Math.floor(index / inner) % zeros.length]!)
}

/** Two int8 whose sum is each level, above -256 and below 255. */
export function summandsOf(levels: Int16Array): [Int8Array, Int8Array] {
  const first = Int8Array.from(levels, (level) => Math.floor(level / 2))
  return [first, Int8Array.from(levels, (level, index) => level - first[index]!)]
}

/** Blocks of both in turns. */
export function inTurns([first, second]: readonly [Int8Array, Int8Array], blockLength: number): Int8Array {
  const result = new Int8Array(first.length * 2)
  for (let start = 0; start < first.length; start += blockLength) {
    result.set(first.subarray(start, start + blockLength), 2 * start)
    result.set(second.subarray(start, start + blockLength), 2 * start + blockLength)
  }
  return result
}
