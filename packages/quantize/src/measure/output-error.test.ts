import { Tensor } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { OutputError } from './output-error.ts'

const of = (shape: readonly number[], ...values: number[]) => new Tensor('float32', shape, Float32Array.from(values))

function compare(expected: Record<string, Tensor>, received: Record<string, Tensor>) {
  const error = new OutputError()
  error.add(expected, received)
  return error.report
}

describe('OutputError', () => {
  it('finds no error in equal outputs', () => {
    const y = of([1, 3], 1, 2, 3)
    expect(compare({ y }, { y })).toEqual({
      relativeError: 0,
      sqnrDb: Number.POSITIVE_INFINITY,
      cosine: expect.closeTo(1, 12),
      agreement: 1,
      elements: 3,
    })
  })

  it('relates the noise to the signal', () => {
    const report = compare({ y: of([1, 2], 3, 4) }, { y: of([1, 2], 3, 4.5) })
    expect(report.relativeError).toBeCloseTo(0.25 / 25, 12)
    expect(report.sqnrDb).toBeCloseTo(20, 12)
    expect(report.cosine).toBeCloseTo((9 + 18) / Math.sqrt(25 * 29.25), 12)
  })

  it('weighs outputs of different size alike', () => {
    const report = compare(
      { large: of([2], 1000, 0), small: of([1], 1) },
      { large: of([2], 1000, 0), small: of([1], 1.1) },
    )
    expect(report.relativeError).toBeCloseTo(0.01 / 2, 6)
    expect(report.agreement).toBeUndefined()
  })

  it('counts rows whose class is the same over all samples', () => {
    const error = new OutputError()
    error.add({ y: of([2, 2], 1, 0, 1, 0) }, { y: of([2, 2], 1, 0, 0, 1) })
    error.add({ y: of([1, 2], 0, 1) }, { y: of([1, 2], 0, 5) })
    expect(error.report.agreement).toBeCloseTo(2 / 3, 12)
  })

  it('finds a signal of zero infinitely wrong once there is noise', () => {
    expect(compare({ y: of([1], 0) }, { y: of([1], 1) }).relativeError).toBe(Number.POSITIVE_INFINITY)
  })

  it('relates noise where the signal is zero to the other outputs', () => {
    const report = compare({ y: of([2], 3, 4), z: of([2], 0, 0) }, { y: of([2], 3, 4), z: of([2], 0.5, 0) })
    // The mean square of y is 12.5.
    expect(report.relativeError).toBeCloseTo(0.25 / (2 * 12.5) / 2, 12)
    expect(report.cosine).toBeCloseTo(1, 12)
    expect(compare({ y: of([1], 1), z: of([1], 0) }, { y: of([1], 1), z: of([1], 0) }).relativeError).toBe(0)
  })

  it('compares nothing where the float model gives no finite number', () => {
    const [none, masked] = [Number.NaN, Number.NEGATIVE_INFINITY]
    const report = compare({ y: of([1, 4], none, masked, 3, 4) }, { y: of([1, 4], none, masked, 3, 4.5) })
    expect(report.relativeError).toBeCloseTo(0.25 / 25, 12)
    expect(report.cosine).toBeLessThan(1)
    expect(report).toMatchObject({ agreement: 1, elements: 2 })
    expect(compare({ y: of([1, 2], none, none) }, { y: of([1, 2], 1, 2) })).toEqual({
      relativeError: 0,
      sqnrDb: Number.POSITIVE_INFINITY,
      cosine: 1,
      agreement: undefined,
      elements: 0,
    })
  })

  it('finds what lost its number infinitely wrong', () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(compare({ y: of([1, 2], 1, 2) }, { y: of([1, 2], 1, wrong) })).toMatchObject({
        relativeError: Number.POSITIVE_INFINITY,
        sqnrDb: Number.NEGATIVE_INFINITY,
        cosine: 0,
      })
    }
  })
})
