import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createRandom } from './random.ts'

describe('createRandom', () => {
  it('gives the same weights on every machine', () => {
    const normals = createRandom(1).normals(new Float32Array(100_001), 0.5)
    const hash = createHash('sha256').update(new Uint8Array(normals.buffer)).digest('hex')
    expect(hash.slice(0, 16)).toBe('680b9c5f538d895c')
  })

  it('has the moments and quantiles of a normal distribution', () => {
    const count = 400_000
    const values = createRandom(2).normals(new Float32Array(count), 1)
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / count
    expect(moment(1)).toBeCloseTo(0, 1.5)
    expect(moment(2)).toBeCloseTo(1, 1.5)
    expect(moment(4)).toBeCloseTo(3, 1)
    values.sort()
    const quantiles = { 0.001: -3.0902, 0.025: -1.96, 0.5: 0, 0.8413447: 1, 0.99: 2.3263 }
    for (const [probability, quantile] of Object.entries(quantiles)) {
      expect(Math.abs(values[Math.floor(Number(probability) * count)]! - quantile)).toBeLessThan(0.05)
    }
  })

  it('has independent neighbours', () => {
    const values = createRandom(3).normals(new Float32Array(200_000), 1)
    for (const lag of [1, 2, 3]) {
      const products = values.subarray(lag).reduce((sum, value, i) => sum + value * values[i]!, 0)
      expect(Math.abs(products / values.length)).toBeLessThan(0.01)
    }
  })

  it('gives uniform, whole and exponential numbers in their ranges', () => {
    const random = createRandom(4)
    const uniform = Array.from({ length: 20_000 }, random.uniform)
    expect(uniform.every((value) => value >= 0 && value < 1)).toBe(true)
    expect(uniform.reduce((sum, value) => sum + value, 0) / 20_000).toBeCloseTo(0.5, 1.5)
    expect(new Set(Array.from({ length: 1000 }, () => random.integer(5)))).toEqual(new Set([0, 1, 2, 3, 4]))
    const gaps = Array.from({ length: 20_000 }, () => random.exponential(3))
    expect(gaps.every((value) => value >= 0)).toBe(true)
    expect(Math.abs(gaps.reduce((sum, value) => sum + value, 0) / 20_000 - 3)).toBeLessThan(0.1)
  })

  it('differs from the first number on for neighbouring seeds, and takes only whole ones', () => {
    const firsts = Array.from({ length: 100 }, (_, seed) => createRandom(seed).uniform())
    expect(new Set(firsts).size).toBe(100)
    for (const seed of [0.5, Number.NaN, 2 ** 40, null, Symbol('1')]) {
      expect(() => createRandom(seed as number)).toThrow(/32 bits/)
    }
    expect(() => createRandom({ seed: 1 } as never)).toThrow('as seed, got { seed: 1 }.')
  })
})
