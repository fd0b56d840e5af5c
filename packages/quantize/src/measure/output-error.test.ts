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
})
