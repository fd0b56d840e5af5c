import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocate, type DType, type DTypeArray } from './dtype.ts'
import {
  bfloat16FromNumber,
  float16FromNumber,
  fromFloat32,
  numberFromBfloat16,
  numberFromFloat16,
  toFloat32,
} from './float.ts'

/** The value of sign, exponent and mantissa bits by IEEE 754-2019, 3.4, in exact (double) arithmetic. */
function ieeeValue(bits: number, exponentBits: number, mantissaBits: number): number {
  const bias = 2 ** (exponentBits - 1) - 1
  const sign = bits >>> (exponentBits + mantissaBits) ? -1 : 1
  const exponent = Math.floor(bits / 2 ** mantissaBits) % 2 ** exponentBits
  const fraction = (bits % 2 ** mantissaBits) / 2 ** mantissaBits
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * 2 ** (1 - bias) * fraction : sign * 2 ** (exponent - bias) * (1 + fraction)
}

const everyPattern = Array.from({ length: 65536 }, (_, bits) => bits)

/**
 * Round to nearest, ties to even, by the definition: among all finite values and the one that would follow the largest
 * (which stands for infinity), the nearest; of two, the one whose last bit is 0.
 */
function nearestBits(value: number, exponentBits: number, mantissaBits: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 2 ** (exponentBits + mantissaBits) : 0
  const infinity = (2 ** exponentBits - 1) * 2 ** mantissaBits
  const bias = 2 ** (exponentBits - 1) - 1
  const at = (bits: number) => (bits === infinity ? 2 ** (bias + 1) : ieeeValue(bits, exponentBits, mantissaBits))
  const magnitude = Math.abs(value)
  if (magnitude >= at(infinity)) return sign | infinity
  let [low, high] = [0, infinity]
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (at(middle) <= magnitude) low = middle
    else high = middle
  }
  const [down, up] = [magnitude - at(low), at(high) - magnitude] // exact: neighbours are close (Sterbenz)
  return sign | (down < up || (down === up && low % 2 === 0) ? low : high)
}

const formats = [
  { name: 'float16', exponentBits: 5, mantissaBits: 10, to: float16FromNumber, from: numberFromFloat16 },
  { name: 'bfloat16', exponentBits: 8, mantissaBits: 7, to: bfloat16FromNumber, from: numberFromBfloat16 },
] as const

describe.each(formats)('$name', ({ name, exponentBits, mantissaBits, to, from }) => {
  it('has the value that IEEE 754 gives each of the 65536 bit patterns', () => {
    const wrong = everyPattern.filter((bits) => !Object.is(from(bits), ieeeValue(bits, exponentBits, mantissaBits)))
    expect(wrong).toEqual([])
  })

  it('comes back from its value, bit by bit; NaN as some NaN', () => {
    const wrong = everyPattern.filter((bits) => {
      const value = from(bits)
      return Number.isNaN(value) ? !Number.isNaN(from(to(value))) : to(value) !== bits
    })
    expect(wrong).toEqual([])
  })

  it('rounds halfway between any two neighbours to even, and just beside it to the nearer', () => {
    const infinity = (2 ** exponentBits - 1) * 2 ** mantissaBits
    const wrong: number[] = []
    for (let bits = 0; bits < infinity; bits++) {
      const low = from(bits)
      const high = bits + 1 === infinity ? 2 ** (2 ** (exponentBits - 1)) : from(bits + 1)
      const half = low + (high - low) / 2
      const [below, above] = [half * (1 - 2 ** -50), half * (1 + 2 ** -50)]
      const even = bits % 2 === 0 ? bits : bits + 1
      if (to(half) !== even || to(below) !== bits || to(above) !== bits + 1) wrong.push(bits)
      if (to(-half) !== even + 0x8000) wrong.push(-bits)
    }
    expect(wrong).toEqual([])
  })

  it('rounds any double to the nearest, ties to even, and only once', () => {
    const numbers = fc.oneof(
      fc.double({ noNaN: true }),
      fc.float({ noNaN: true }),
      fc.double({ min: -70000, max: 70000, noNaN: true }),
      fc.double({ min: -1e-4, max: 1e-4, noNaN: true }),
    )
    fc.assert(
      fc.property(numbers, (value) => to(value) === nearestBits(value, exponentBits, mantissaBits)),
      { numRuns: 5000 },
    )
  })

  it('keeps infinities, zeros with their sign, and NaN', () => {
    expect(from(to(Number.POSITIVE_INFINITY))).toBe(Number.POSITIVE_INFINITY)
    expect(from(to(Number.NEGATIVE_INFINITY))).toBe(Number.NEGATIVE_INFINITY)
    expect(from(to(Number.MAX_VALUE))).toBe(Number.POSITIVE_INFINITY)
    expect(from(to(Number.MIN_VALUE))).toBe(0)
    expect(from(to(-0))).toBe(-0)
    expect(from(to(Number.NaN))).toBeNaN()
  })

  it('converts arrays as it converts numbers', () => {
    const values = Float32Array.from([0, -0, 1, 1 / 3, 65519, 65520, 1e-7, Number.NaN, Number.NEGATIVE_INFINITY])
    const bits = fromFloat32(name, values)
    expect(bits).toBeInstanceOf(Uint16Array)
    expect([...bits]).toEqual([...values].map(to))
    expect([...toFloat32(name, bits, bits.length)]).toEqual([...bits].map(from))
  })
})

/** The tables of the ONNX documents "Float stored in 8 bits" and "Float stored in 4 bits", by their landmarks. */
describe('formats of at most 8 bits', () => {
  const valuesOf = (dtype: DType, patterns: number[]) => [
    ...toFloat32(dtype, Uint8Array.from(patterns) as DTypeArray, patterns.length),
  ]

  it.each([
    ['float8e4m3fn', { 0: 0, 128: -0, 1: 2 ** -9, 8: 2 ** -6, 56: 1, 126: 448, 254: -448 }, [0x7f, 0xff]],
    ['float8e4m3fnuz', { 0: 0, 1: 2 ** -10, 8: 2 ** -7, 64: 1, 127: 240, 255: -240 }, [0x80]],
    [
      'float8e5m2',
      { 0: 0, 128: -0, 1: 2 ** -16, 4: 2 ** -14, 60: 1, 123: 57344, 124: Infinity, 252: -Infinity },
      [0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff],
    ],
    ['float8e5m2fnuz', { 0: 0, 1: 2 ** -17, 4: 2 ** -15, 64: 1, 127: 57344, 255: -57344 }, [0x80]],
    ['float8e8m0', { 0: 2 ** -127, 126: 0.5, 127: 1, 254: 2 ** 127 }, [255]],
  ] as const)('%s', (dtype, landmarks, nans) => {
    for (const [bits, value] of Object.entries(landmarks)) expect(valuesOf(dtype, [Number(bits)])).toEqual([value])
    const values = valuesOf(dtype, everyPattern.slice(0, 256))
    expect(values.flatMap((value, bits) => (Number.isNaN(value) ? [bits] : []))).toEqual(nans)
    // Between its landmarks a float format rises with its bits, and its negative half mirrors the positive one.
    const magnitudes = values.slice(0, dtype === 'float8e8m0' ? 256 : 128).filter((value) => !Number.isNaN(value))
    expect(magnitudes).toEqual([...new Set(magnitudes)].sort((a, b) => a - b))
    if (dtype !== 'float8e8m0') {
      expect(values.slice(129).map((value) => -value)).toEqual(values.slice(1, 128))
    }
  })

  it('float8e5m2 is the upper half of float16', () => {
    const patterns = everyPattern.slice(0, 256)
    expect(valuesOf('float8e5m2', patterns)).toEqual(patterns.map((bits) => numberFromFloat16(bits << 8)))
  })

  it('float4e2m1: two elements per byte, first in the low half', () => {
    const values = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    const packed = Uint8Array.from([0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe])
    expect([...toFloat32('float4e2m1', packed, 16)]).toEqual([...values, ...values.map((value) => -value)])
    expect([...toFloat32('float4e2m1', packed, 3)]).toEqual([0, 0.5, 1])
  })

  it('is for narrow formats alone', () => {
    expect(() => toFloat32('int32', allocate('int32', 1), 1)).toThrow(
      expect.objectContaining({ code: 'INPUT_DTYPE', received: 'int32' }),
    )
  })
})
