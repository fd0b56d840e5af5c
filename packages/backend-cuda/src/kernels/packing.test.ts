import { numberFromFloat16 } from '@lowlat/core'
import { describe, expect, test } from 'vitest'
import {
  packConvolutionWeights,
  packDepthwiseWeights,
  packedConvolutionShape,
  packedDepth,
  packMatrix,
} from './packing.ts'

const floats = (bytes: Uint8Array) => [...new Float32Array(bytes.buffer)]
const halves = (bytes: Uint8Array) => [...new Uint16Array(bytes.buffer)].map(numberFromFloat16)

describe('packing', () => {
  test('rows start at multiples of 16 bytes', () => {
    expect([1, 4, 5].map((depth) => packedDepth(depth, 'fp32'))).toEqual([4, 4, 8])
    expect([1, 8, 27].map((depth) => packedDepth(depth, 'fp16'))).toEqual([8, 8, 32])
    expect([1, 16, 27].map((depth) => packedDepth(depth, 'int8'))).toEqual([16, 16, 32])
    expect(packedConvolutionShape([64, 3, 7, 7], 'tf32')).toEqual([64, 148])
  })

  test('convolution weights have their channels last', () => {
    // [2, 2, 1, 3]: channel 0 is 1 2 3, channel 1 is 4 5 6.
    const values = Float32Array.of(1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6)
    const rows = [1, 4, 2, 5, 3, 6, 0, 0]
    expect(floats(packConvolutionWeights(values, [2, 2, 1, 3], 'fp32'))).toEqual([
      ...rows,
      ...rows.map((value) => (value ? -value : 0)),
    ])
    expect(halves(packConvolutionWeights(values, [2, 2, 1, 3], 'fp16')).slice(0, 8)).toEqual(rows)
    const int8 = packConvolutionWeights(Int8Array.from(values), [2, 2, 1, 3], 'int8')
    expect([...new Int8Array(int8.buffer)].slice(16, 23)).toEqual([-1, -4, -2, -5, -3, -6, 0])
  })

  test('a matrix becomes columns of contiguous depth, from either order', () => {
    const columns = [1, 2, 3, 0, 4, 5, 6, 0]
    const size = { columns: 2, depth: 3 }
    expect(floats(packMatrix(Float32Array.of(1, 2, 3, 4, 5, 6), { ...size, transposed: false }, 'fp32'))).toEqual(
      columns,
    )
    expect(floats(packMatrix(Float32Array.of(1, 4, 2, 5, 3, 6), { ...size, transposed: true }, 'fp32'))).toEqual(
      columns,
    )
  })

  test('depthwise weights have their channels last, without gaps', () => {
    const values = Float32Array.of(1, 2, 3, 4, 5, 6)
    expect(floats(packDepthwiseWeights(values, [3, 1, 1, 2], 'fp32'))).toEqual([1, 3, 5, 2, 4, 6])
  })
})
