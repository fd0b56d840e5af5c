import { describe, expect, test } from 'vitest'
import { type ResizeAxisArgs, resizeTaps } from './resize-taps.ts'

function sized(inputSize: number, outputSize: number, rest: Partial<ResizeAxisArgs> = {}): ResizeAxisArgs {
  return { inputSize, outputSize, scale: outputSize / inputSize, mode: 'nearest', coordinates: 'half_pixel', ...rest }
}

/** The input [0, 1, 2, ...] or `values` resized. */
function resized(args: ResizeAxisArgs, values = Array.from({ length: args.inputSize }, (_, index) => index)): number[] {
  const { taps, indices, weights } = resizeTaps(args)
  return Array.from({ length: args.outputSize }, (_, position) => {
    let sum = 0
    for (let tap = 0; tap < taps; tap++)
      sum += values[indices[position * taps + tap]!]! * weights[position * taps + tap]!
    return sum
  })
}

const rounded = (values: readonly number[]) => values.map((value) => Math.round(value * 1e5) / 1e5)

describe('resizeTaps', () => {
  test('nearest, with every way to round', () => {
    expect(resized(sized(2, 4))).toEqual([0, 0, 1, 1])
    expect(resized(sized(4, 2, { coordinates: 'asymmetric' }))).toEqual([0, 2])
    const at = (nearestMode: ResizeAxisArgs['nearestMode']) => resized(sized(4, 2, { nearestMode: nearestMode! }))
    // Halfway between two positions: 0.5 and 2.5.
    expect(at('round_prefer_floor')).toEqual([0, 2])
    expect(at('round_prefer_ceil')).toEqual([1, 3])
    expect(at('floor')).toEqual([0, 2])
    expect(at('ceil')).toEqual([1, 3])
  })

  test('coordinates', () => {
    const linear = (coordinates: ResizeAxisArgs['coordinates'], inputSize = 4, outputSize = 8) =>
      rounded(resized(sized(inputSize, outputSize, { mode: 'linear', coordinates })))
    expect(linear('half_pixel')).toEqual([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    expect(linear('asymmetric')).toEqual([0, 0.5, 1, 1.5, 2, 2.5, 3, 3])
    expect(linear('align_corners', 4, 7)).toEqual([0, 0.5, 1, 1.5, 2, 2.5, 3])
    expect(linear('align_corners', 4, 1)).toEqual([0])
    expect(linear('pytorch_half_pixel', 4, 1)).toEqual([0])
    expect(linear('half_pixel', 4, 1)).toEqual([1.5])
  })

  test('a symmetric half pixel where the scale does not give the size exactly', () => {
    // 4 * 2.3 = 9.2 becomes 9.
    const args = sized(4, 9, { scale: 2.3, mode: 'linear', coordinates: 'half_pixel_symmetric' })
    const values = rounded(resized(args))
    const mirrored = values.map((value) => Math.round((3 - value) * 1e5) / 1e5).reverse()
    expect(values).toEqual(mirrored)
  })

  test('linear going down, with and without antialiasing', () => {
    // One dimension of ONNX's examples resize_downsample_scales_linear and resize_downsample_scales_linear_antialias.
    const args = sized(4, 2, { scale: 0.6, mode: 'linear' })
    expect(rounded(resized(args, [1, 2, 3, 4]))).toEqual([1.33333, 3])
    expect(rounded(resized({ ...args, antialias: true }, [1, 2, 3, 4]))).toEqual([1.375, 3])
  })

  test("cubic: values of ONNX's example resize_upsample_scales_cubic", () => {
    const args = sized(4, 8, { mode: 'cubic' })
    const first = [0.47265625, 0.76953125, 1.24609375, 1.875, 2.28125, 2.91015625, 3.38671875, 3.68359375]
    const vertical = resizeTaps(args)
    const columns = [1, 2, 3, 4].map((_, column) => [1, 5, 9, 13].map((value) => value + column))
    const line = columns.map((column) => {
      let sum = 0
      for (let tap = 0; tap < vertical.taps; tap++) sum += column[vertical.indices[tap]!]! * vertical.weights[tap]!
      return sum
    })
    expect(rounded(resized(args, line))).toEqual(rounded(first))
  })

  test('leaves out what lies outside', () => {
    const { taps, indices, weights } = resizeTaps(sized(3, 6, { mode: 'cubic', excludeOutside: true }))
    for (let position = 0; position < 6; position++) {
      const own = [...weights.slice(position * taps, (position + 1) * taps)]
      expect(own.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 6)
    }
    expect([...indices].every((index) => index >= 0 && index < 3)).toBe(true)
    expect(weights[0]).toBe(0)
  })

  test('crops a region, and marks what is outside of the tensor', () => {
    const args = sized(4, 3, { mode: 'linear', coordinates: 'tf_crop_and_resize', region: [0.5, 1.5] })
    const { taps, indices } = resizeTaps(args)
    expect([...indices.slice(0, taps)]).toEqual([1, 2])
    expect([...indices.slice(2 * taps)]).toEqual([-1, -1])
  })

  test('the same size is the same', () => {
    for (const mode of ['nearest', 'linear', 'cubic'] as const)
      expect(resized(sized(5, 5, { mode }))).toEqual([0, 1, 2, 3, 4])
  })
})
