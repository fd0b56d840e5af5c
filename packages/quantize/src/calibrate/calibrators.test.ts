import { createRandom } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { BINS_PER_SIDE, Histogram, type HistogramData } from '../observe/histogram.ts'
import { type Calibrator, entropy, minMax, mse, percentile } from './calibrators.ts'
import { divergence } from './divergence.ts'
import { parametersFor, type Range, type Scheme } from './scheme.ts'

const random = createRandom(11)
const COUNT = 5_000

const distributions: Record<string, () => number> = {
  uniform: () => random.uniform() * 4 - 1,
  normal: () => normal(),
  'half-normal': () => Math.abs(normal()),
  laplace: () => Math.sign(random.uniform() - 0.5) * -Math.log(1 - random.uniform()),
  'bimodal with outliers': () => (random.uniform() < 1e-3 ? 60 : normal() * 0.3 + (random.uniform() < 0.5 ? -1 : 3)),
  negative: () => -Math.abs(normal()),
}

function normal(): number {
  return random.normals(new Float32Array(1), 1)[0]!
}

const samples = Object.entries(distributions).map(
  ([name, draw]) => [name, Float32Array.from({ length: COUNT }, draw)] as const,
)
const schemes: readonly Scheme[] = [
  { dtype: 'uint8', symmetric: false },
  { dtype: 'int8', symmetric: true },
]
const cases = samples.flatMap(([name, values]) =>
  schemes.map((scheme) => [name, scheme.dtype, values, scheme] as const),
)

function histogramOf(values: Float32Array): HistogramData {
  const histogram = new Histogram()
  histogram.add(values)
  return histogram
}

/** By the definition: every value is quantized as ONNX's operators do it. */
function squaredError(values: Float32Array, range: Range, scheme: Scheme): number {
  const { scale, zeroPoint, dtype } = parametersFor(range, scheme)
  const [low, high] = dtype === 'uint8' ? [0, 255] : [-128, 127]
  let sum = 0
  for (const value of values) {
    const integer = Math.min(high, Math.max(low, Math.round(value / scale) + zeroPoint))
    sum += (value - (integer - zeroPoint) * scale) ** 2
  }
  return sum / values.length
}

describe.each([
  ['min-max', minMax],
  ['percentile', percentile()],
  ['mse', mse],
  ['entropy', entropy],
] as [string, Calibrator][])('%s', (_, calibrate) => {
  it.each(cases)('covers a part of what was seen, and zero: %s, %s', (_name, _dtype, values, scheme) => {
    const { min, max } = calibrate(histogramOf(values), scheme)
    const low = Math.min(0, ...values.slice(0, COUNT))
    const high = Math.max(0, ...values)
    expect(min).toBeLessThanOrEqual(0)
    expect(max).toBeGreaterThanOrEqual(0)
    if (scheme.symmetric) expect(min).toBe(-max)
    else {
      expect(min).toBeGreaterThanOrEqual(low)
      expect(max).toBeLessThanOrEqual(high)
    }
    expect(max).toBeLessThanOrEqual(Math.max(high, -low))
  })

  it('has an answer for what is always zero and for what was never seen', () => {
    for (const scheme of schemes) {
      expect(calibrate(histogramOf(new Float32Array(5)), scheme)).toEqual({ min: scheme.symmetric ? -0 : 0, max: 0 })
      expect(parametersFor(calibrate(new Histogram(), scheme), scheme).scale).toBe(1)
    }
  })
})

describe('minMax', () => {
  it('is exact', () => {
    const values = Float32Array.of(-0.75, 0.1, 3.3)
    expect(minMax(histogramOf(values), schemes[0]!)).toEqual({ min: -0.75, max: Math.fround(3.3) })
    expect(minMax(histogramOf(values), schemes[1]!)).toEqual({ min: -Math.fround(3.3), max: Math.fround(3.3) })
  })
})

describe('percentile', () => {
  it.each(cases)(
    'leaves out no more than asked for, to the width of a bin: %s, %s',
    (_name, _dtype, values, scheme) => {
      const { min, max } = percentile(99)(histogramOf(values), scheme)
      const width = 2 ** histogramOf(values).exponent
      const outside = values.filter((value) => value < min || value > max).length
      const within = values.filter((value) => value < min + width || value > max - width).length
      expect(outside / COUNT).toBeLessThanOrEqual(0.01)
      expect(within / COUNT).toBeGreaterThan(0.0045) // one bin less would leave out too many at one end at least
    },
  )
})

describe('mse', () => {
  it.each(cases)('errs no more than the best range of a fine grid: %s, %s', (_name, _dtype, values, scheme) => {
    const all = minMax(histogramOf(values), scheme)
    let least = Number.POSITIVE_INFINITY
    for (let lower = 1; lower <= 16; lower++) {
      for (let upper = 1; upper <= 16; upper++) {
        if (scheme.symmetric && lower !== upper) continue
        const range = { min: (all.min * lower) / 16, max: (all.max * upper) / 16 }
        least = Math.min(least, squaredError(values, range, scheme))
      }
    }
    expect(squaredError(values, mse(histogramOf(values), scheme), scheme)).toBeLessThan(1.05 * least)
  })

  it('clips a rare outlier', () => {
    const values = Float32Array.from({ length: 100_000 }, (_, i) => (i === 0 ? 12 : normal()))
    const { max } = mse(histogramOf(values), schemes[1]!)
    expect(max).toBeLessThan(9)
  })
})

/** The divergence of two distributions that are written out bin by bin. */
function divergenceByDefinition(counts: Float64Array, first: number, end: number, levels: number): number {
  const p = [...counts.slice(first, end)]
  p[0]! += counts.slice(0, first).reduce((a, b) => a + b, 0)
  p[p.length - 1]! += counts.slice(end).reduce((a, b) => a + b, 0)
  const inside = [...counts.slice(first, end)]
  const levelOf = (bin: number) => {
    let level = 0
    while (Math.floor(((level + 1) * inside.length) / levels) <= bin) level++
    return level
  }
  const of = inside.map((_, bin) => levelOf(bin))
  const q = inside.map((count, bin) => {
    if (count === 0) return 0
    const group = inside.filter((_, other) => of[other] === of[bin])
    return group.reduce((a, b) => a + b, 0) / group.filter((other) => other > 0).length
  })
  const sumP = p.reduce((a, b) => a + b, 0)
  const sumQ = q.reduce((a, b) => a + b, 0)
  return p.reduce(
    (sum, count, bin) => (count > 0 ? sum + (count / sumP) * Math.log(count / sumP / (q[bin]! / sumQ || 1e-10)) : sum),
    0,
  )
}

describe('entropy', () => {
  it('measures the Kullback-Leibler divergence of its definition', () => {
    const counts = new Float64Array(2 * BINS_PER_SIDE)
    for (let bin = 4000; bin < 4300; bin++) counts[bin] = bin % 7 === 0 ? 0 : 1 + Math.floor(200 * random.uniform())
    for (const [first, end, levels] of [
      [4000, 4300, 16],
      [4050, 4230, 16],
      [4096, 4300, 50],
      [4090, 4099, 4],
    ] as const) {
      const expected = divergenceByDefinition(counts, first, end, levels)
      expect(divergence(counts, { first, end }, levels)).toBeCloseTo(expected, 10)
    }
  })

  it('clips a rare outlier and keeps what is uniform', () => {
    const outlier = Float32Array.from({ length: 100_000 }, (_, i) => (i === 0 ? 100 : Math.abs(normal())))
    const even = Float32Array.from({ length: 100_000 }, () => random.uniform())
    for (const scheme of schemes) {
      expect(entropy(histogramOf(outlier), scheme).max).toBeLessThan(30)
      expect(entropy(histogramOf(even), scheme).max).toBeGreaterThan(0.95)
    }
  })
})

describe('parametersFor', () => {
  it('has zero exactly on an integer', () => {
    for (const scheme of schemes) {
      for (const range of [
        { min: -1, max: 3 },
        { min: 0, max: 6 },
        { min: -7, max: 0 },
        { min: -1e-6, max: 100 },
      ]) {
        const { scale, zeroPoint, dtype } = parametersFor(range, scheme)
        const [low, high] = dtype === 'uint8' ? [0, 255] : [-128, 127]
        expect(Number.isInteger(zeroPoint) && zeroPoint >= low && zeroPoint <= high).toBe(true)
        expect((high - zeroPoint) * scale).toBeGreaterThanOrEqual(range.max - 0.51 * scale)
        expect((low - zeroPoint) * scale).toBeLessThanOrEqual(range.min + 0.51 * scale)
      }
    }
    expect(parametersFor({ min: -2, max: 1 }, { dtype: 'uint8', symmetric: true }).zeroPoint).toBe(128)
  })

  it('never has a scale of zero or a denormal one', () => {
    for (const max of [0, 1e-44, 1e-40]) {
      for (const scheme of schemes) {
        expect(parametersFor({ min: 0, max }, scheme).scale).toBeGreaterThanOrEqual(2 ** -126)
      }
    }
  })
})
