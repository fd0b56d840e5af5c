import { type Shape, sizeOf, Tensor } from '@lowlat/core'
import { createRandom } from '@lowlat/onnx'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Scheme } from '../calibrate/scheme.ts'
import { dequantizedWeight } from '../simulate/dequantized-weight.ts'
import { quantizeWeight } from './quantize-weight.ts'

const int8: Scheme = { dtype: 'int8', symmetric: true }
const random = createRandom(3)

function tensor(shape: Shape, data?: readonly number[]) {
  const values = data ? Float32Array.from(data) : random.normals(new Float32Array(sizeOf(shape)), 1)
  return new Tensor('float32', shape, values)
}

/** Elements of one index of an axis, in their order. */
function channel(data: ArrayLike<number>, shape: Shape, axis: number, index: number): number[] {
  const inner = sizeOf(shape.slice(axis + 1))
  return Array.from(data).filter((_, at) => Math.floor(at / inner) % shape[axis]! === index)
}

/** Half to even, by its definition. */
function rounded(value: number): number {
  const below = Math.floor(value)
  if (value - below !== 0.5) return Math.round(value)
  return below % 2 === 0 ? below : below + 1
}

const error = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0)

describe('weights', () => {
  it.each([0, 1, 2, 3])('have scales of their own along axis %i', (axis) => {
    const weight = tensor([5, 4, 3, 2])
    const { scales, zeroPoints, data } = quantizeWeight(weight, { axis, scheme: int8, method: 'absmax' })
    for (const [index, scale] of scales.entries()) {
      const floats = channel(weight.data, weight.shape, axis, index)
      expect(scale).toBe(Math.fround((2 * Math.max(...floats.map(Math.abs))) / 254))
      expect(zeroPoints[index]).toBe(0)
      expect(channel(data, weight.shape, axis, index)).toEqual(
        floats.map((value) => rounded(Math.fround(value / scale)) + 0),
      )
    }
  })

  it('are the same from tiles of many columns as one by one', () => {
    const [rows, columns] = [7, 150]
    const weight = tensor([rows, columns])
    const whole = quantizeWeight(weight, { axis: 1, scheme: int8 })
    for (const column of [0, 63, 64, 149]) {
      const alone = quantizeWeight(tensor([rows, 1], channel(weight.data, weight.shape, 1, column)), {
        axis: undefined,
        scheme: int8,
      })
      expect(whole.scales[column]).toBe(alone.scales[0])
      expect(channel(whole.data, weight.shape, 1, column)).toEqual(Array.from(alone.data))
    }
  })

  it('share one scale without an axis', () => {
    const { scales, data } = quantizeWeight(tensor([2, 2], [127, -64, 0.5, 1.5]), {
      axis: undefined,
      scheme: int8,
      method: 'absmax',
    })
    expect(Array.from(scales)).toEqual([1])
    expect(Array.from(data)).toEqual([127, -64, 0, 2])
  })

  it('cover an asymmetric range with uint8, zero exactly', () => {
    const weight = tensor([1, 4], [-0.5, 0, 1.05, 2.05])
    const scheme: Scheme = { dtype: 'uint8', symmetric: false }
    const parameters = quantizeWeight(weight, { axis: 0, scheme, method: 'absmax' })
    expect(parameters.zeroPoints[0]).toBe(50)
    expect(Array.from(parameters.data)).toEqual([0, 50, 155, 255])
  })

  it('never err more with the least-error scale than with the covering one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 1, max: 300 }), (seed, length) => {
        const values = createRandom(seed).normals(new Float32Array(length), 1)
        const weight = new Tensor('float32', [1, length], values)
        const of = (method: 'mse' | 'absmax') =>
          error(values, dequantizedWeight(quantizeWeight(weight, { axis: 0, scheme: int8, method }), [1, length]).data)
        expect(of('mse')).toBeLessThanOrEqual(of('absmax') * (1 + 1e-6))
      }),
      { numRuns: 50, seed: 1 },
    )
  })

  it('find the grid that weights lie on already', () => {
    const integers = Array.from({ length: 200 }, () => random.integer(81) - 40)
    integers[0] = 40
    const weight = tensor(
      [1, 200],
      integers.map((value) => value * 0.01),
    )
    const parameters = quantizeWeight(weight, { axis: 0, scheme: int8 })
    const real = dequantizedWeight(parameters, [1, 200])
    expect(Math.sqrt(error(weight.data, real.data))).toBeLessThan(1e-6)
  })

  it('clip an outlier where that errs less', () => {
    const weight = tensor([1, 20_000])
    weight.data[0] = 6
    const [covering, least] = (['absmax', 'mse'] as const).map(
      (method) => quantizeWeight(weight, { axis: 0, scheme: int8, method }).scales[0]!,
    )
    expect(least).toBeLessThan(covering!)
  })

  it('of zero get the smallest scale, so that a bias keeps its precision', () => {
    const { scales, data } = quantizeWeight(tensor([1, 3], [0, 0, 0]), { axis: 0, scheme: int8 })
    expect(scales[0]).toBe(2 ** -24)
    expect(Array.from(data)).toEqual([0, 0, 0])
  })

  it('must be finite, and have the axis', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(() => quantizeWeight(tensor([1, 2], [1, bad]), { axis: 0, scheme: int8 })).toThrow(/finite weights, got/)
    }
    expect(() => quantizeWeight(tensor([1, 2]), { axis: 2, scheme: int8 })).toThrow(/axis of a weight \[1, 2\], got 2/)
  })
})
