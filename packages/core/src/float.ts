/**
 * Conversions between float32 and the narrower float formats, which JavaScript (before Float16Array) has no arrays
 * for. All round to nearest, ties to even, as IEEE 754 and ONNX's Cast do.
 */
import { allocate, type DType, type DTypeArray } from './dtype.ts'
import { describeValue, InputError } from './errors.ts'

const f32 = new Float32Array(1)
const u32 = new Uint32Array(f32.buffer)

/**
 * The bits of `value` as float32, inexact values rounded to odd, so that rounding again to a narrower format gives what
 * rounding once would give (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
 * rounding to odd", 2008).
 */
function float32Bits(value: number): number {
  f32[0] = value
  const rounded = f32[0]!
  const bits = u32[0]!
  if (rounded === value || Number.isNaN(value)) return bits
  return (Math.abs(rounded) > Math.abs(value) ? bits - 1 : bits) | 1
}

/** The nearest float16's bits. Overflow gives infinity; NaN stays NaN. Format: IEEE 754-2019 binary16. */
export function float16FromNumber(value: number): number {
  const bits = float32Bits(value)
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00 // 65520 and above round to infinity
  if (magnitude < 0x38800000) {
    // Subnormal: one float32 addition aligns and rounds the mantissa (0.5 has an ulp of 2^-24, float16's smallest step).
    u32[0] = magnitude
    f32[0] = f32[0]! + 0.5
    return sign | (u32[0]! - 0x3f000000)
  }
  const odd = (magnitude >>> 13) & 1
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13)
}

let float16Table: Float32Array | undefined

function float16Values(): Float32Array {
  if (float16Table) return float16Table
  const table = new Float32Array(65536)
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >>> 10) & 0x1f
    const mantissa = bits & 0x3ff
    const magnitude =
      exponent === 0x1f
        ? mantissa === 0
          ? Number.POSITIVE_INFINITY
          : Number.NaN
        : exponent === 0
          ? mantissa * 2 ** -24
          : (1024 + mantissa) * 2 ** (exponent - 25)
    table[bits] = bits & 0x8000 ? -magnitude : magnitude
  }
  float16Table = table
  return table
}

export function numberFromFloat16(bits: number): number {
  return float16Values()[bits & 0xffff]!
}

/** The nearest bfloat16's bits (the upper half of a float32). */
export function bfloat16FromNumber(value: number): number {
  const bits = float32Bits(value)
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

export function numberFromBfloat16(bits: number): number {
  u32[0] = (bits & 0xffff) << 16
  return f32[0]!
}

interface SmallFloat {
  exponentBits: number
  mantissaBits: number
  bias: number
  /** 'ieee': all-ones exponent is infinity/NaN; 'fn': only all-ones is NaN; 'fnuz': only 0x80 is NaN, no -0. */
  special: 'ieee' | 'fn' | 'fnuz' | 'none'
  signed: boolean
}

/** Formats as in the ONNX documents "Float stored in 8 bits" and "Float stored in 4 bits" (OCP FP8 and MX). */
const smallFloats: Partial<Record<DType, SmallFloat>> = {
  float8e4m3fn: { exponentBits: 4, mantissaBits: 3, bias: 7, special: 'fn', signed: true },
  float8e4m3fnuz: { exponentBits: 4, mantissaBits: 3, bias: 8, special: 'fnuz', signed: true },
  float8e5m2: { exponentBits: 5, mantissaBits: 2, bias: 15, special: 'ieee', signed: true },
  float8e5m2fnuz: { exponentBits: 5, mantissaBits: 2, bias: 16, special: 'fnuz', signed: true },
  float4e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1, special: 'none', signed: true },
}

function smallFloatValue(format: SmallFloat, bits: number): number {
  const { exponentBits, mantissaBits, bias, special } = format
  const signBit = 1 << (exponentBits + mantissaBits)
  const exponent = (bits >>> mantissaBits) & ((1 << exponentBits) - 1)
  const mantissa = bits & ((1 << mantissaBits) - 1)
  const allOnes = exponent === (1 << exponentBits) - 1
  if (special === 'fnuz' && bits === signBit) return Number.NaN
  if (special === 'fn' && allOnes && mantissa === (1 << mantissaBits) - 1) return Number.NaN
  if (special === 'ieee' && allOnes) {
    return mantissa ? Number.NaN : bits & signBit ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }
  const magnitude =
    exponent === 0
      ? mantissa * 2 ** (1 - bias - mantissaBits)
      : (mantissa + (1 << mantissaBits)) * 2 ** (exponent - bias - mantissaBits)
  return bits & signBit ? -magnitude : magnitude
}

const tables = new Map<DType, Float32Array>()

/** Value of each bit pattern of a format of at most 8 bits. */
function valuesOf(dtype: DType): Float32Array | undefined {
  const known = tables.get(dtype)
  if (known) return known
  const format = smallFloats[dtype]
  if (!format && dtype !== 'float8e8m0') return undefined
  const count = format ? 1 << (1 + format.exponentBits + format.mantissaBits) : 256
  const table = Float32Array.from({ length: count }, (_, bits) =>
    format ? smallFloatValue(format, bits) : bits === 255 ? Number.NaN : 2 ** (bits - 127),
  )
  tables.set(dtype, table)
  return table
}

/** Float elements of any format as float32 (float64 loses precision). Packed 4-bit elements need their `count`. */
export function toFloat32(dtype: DType, data: DTypeArray, count: number): Float32Array {
  const out = new Float32Array(count)
  if (dtype === 'float16') {
    const table = float16Values()
    for (let i = 0; i < count; i++) out[i] = table[data[i] as number]!
  } else if (dtype === 'bfloat16') {
    const bits = new Uint32Array(out.buffer)
    for (let i = 0; i < count; i++) bits[i] = (data[i] as number) << 16
  } else if (dtype === 'float4e2m1') {
    const table = valuesOf(dtype)!
    for (let i = 0; i < count; i++) out[i] = table[((data[i >> 1] as number) >>> ((i & 1) * 4)) & 15]!
  } else {
    const table = valuesOf(dtype)
    if (!table) throw unsupported(dtype)
    for (let i = 0; i < count; i++) out[i] = table[data[i] as number]!
  }
  return out
}

/**
 * Numbers rounded to float16 or bfloat16.
 * @throws InputError INPUT_DTYPE for what is no list of numbers; INPUT_SHAPE when memory cannot hold so many.
 */
export function fromFloat32<D extends 'float16' | 'bfloat16'>(dtype: D, values: ArrayLike<number>): DTypeArray<D> {
  if (typeof values !== 'object' || values === null || !(values.length >= 0)) throw notNumbers(values)
  const out = allocate<'float16' | 'bfloat16'>(dtype, values.length)
  const convert = dtype === 'float16' ? float16FromNumber : bfloat16FromNumber
  for (let i = 0; i < out.length; i++) {
    const value = values[i]
    if (typeof value !== 'number') throw notNumbers(value)
    out[i] = convert(value)
  }
  return out as DTypeArray<D>
}

function notNumbers(received: unknown): InputError {
  return new InputError('INPUT_DTYPE', {
    message: `Expected a list of numbers, got ${describeValue(received)}.`,
    remedy: 'Pass an array or a Float32Array; convert BigInt with Number().',
    received,
  })
}

function unsupported(dtype: DType): InputError {
  return new InputError('INPUT_DTYPE', {
    message: `Expected a float format narrower than 32 bits, got ${dtype}.`,
    remedy: 'Use Tensor.toFloat32(), which converts every real numeric dtype.',
    received: dtype,
  })
}
