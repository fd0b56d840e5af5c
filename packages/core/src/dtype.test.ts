import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocate, arrayLengthOf, byteLengthOf, type DType, dtypeFromOnnx, dtypes, isDType, viewAs } from './dtype.ts'

const all = Object.keys(dtypes) as DType[]

describe('dtypes', () => {
  it('have the codes of TensorProto.DataType (onnx.proto3), each once', () => {
    const codes = Object.fromEntries(all.map((dtype) => [dtypes[dtype].onnxCode, dtype]))
    expect(codes).toEqual({
      1: 'float32',
      2: 'uint8',
      3: 'int8',
      4: 'uint16',
      5: 'int16',
      6: 'int32',
      7: 'int64',
      9: 'bool',
      10: 'float16',
      11: 'float64',
      12: 'uint32',
      13: 'uint64',
      14: 'complex64',
      15: 'complex128',
      16: 'bfloat16',
      17: 'float8e4m3fn',
      18: 'float8e4m3fnuz',
      19: 'float8e5m2',
      20: 'float8e5m2fnuz',
      21: 'uint4',
      22: 'int4',
      23: 'float4e2m1',
      24: 'float8e8m0',
      25: 'uint2',
      26: 'int2',
    })
    for (const dtype of all) expect(dtypeFromOnnx(dtypes[dtype].onnxCode)).toBe(dtype)
  })

  it('leave out strings and codes that nobody knows', () => {
    for (const code of [0, 8, 27, -1, 1.5]) expect(dtypeFromOnnx(code)).toBeUndefined()
  })

  it('are recognised by their own names alone', () => {
    expect(all.every(isDType)).toBe(true)
    for (const other of ['constructor', 'toString', '__proto__', 'float', '', 1, null, undefined, {}]) {
      expect(isDType(other)).toBe(false)
    }
  })

  it('carry the bits that their names say', () => {
    for (const dtype of all) {
      const digits = /^(?:complex|bfloat|float|uint|int)(\d+)/.exec(dtype)?.[1]
      expect(dtypes[dtype].bits).toBe(dtype === 'bool' ? 8 : Number(digits))
    }
  })
})

describe('lengths', () => {
  it.each(all)('of %s: whole bytes, rounded up, and as many array elements as those bytes need', (dtype) => {
    for (const count of [0, 1, 2, 3, 4, 5, 7, 8, 9, 1000]) {
      const bytes = byteLengthOf(dtype, count)
      expect(bytes * 8).toBeGreaterThanOrEqual(count * dtypes[dtype].bits)
      expect((bytes - 1) * 8).toBeLessThan(Math.max(1, count * dtypes[dtype].bits))
      const data = allocate(dtype, count)
      expect(data).toBeInstanceOf(dtypes[dtype].array)
      expect(data.length).toBe(arrayLengthOf(dtype, count))
      expect(data.byteLength).toBe(bytes)
      expect(new Uint8Array(data.buffer).every((byte) => byte === 0)).toBe(true)
    }
  })
})

describe('viewAs', () => {
  it.each(all)('reads %s where the bytes are, and copies only what is not aligned', (dtype) => {
    const size = dtypes[dtype].array.BYTES_PER_ELEMENT
    const memory = Uint8Array.from({ length: 64 }, (_, i) => (i * 7) % 251)
    const bytesOf = (view: { buffer: ArrayBufferLike; byteOffset: number; byteLength: number }) =>
      new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    for (const offset of [0, size, 1, 3]) {
      const bytes = memory.subarray(offset, offset + 2 * size)
      const view = viewAs(dtype, bytes)
      expect(view).toBeInstanceOf(dtypes[dtype].array)
      expect(bytesOf(view)).toEqual(bytes)
      expect(view.buffer === memory.buffer).toBe(offset % size === 0)
    }
  })

  it('takes Buffers, whose slice() would not copy, at any offset', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 5 }), (offset, count) => {
        const buffer = Buffer.from(Array.from({ length: 128 }, (_, i) => i)).subarray(offset, offset + count * 8)
        const view = viewAs('float64', buffer)
        expect(view.length).toBe(count)
        for (let i = 0; i < count; i++) expect(view[i]).toBe(buffer.readDoubleLE(i * 8))
      }),
    )
  })

  it('refuses bytes that end within an element', () => {
    expect(() => viewAs('float32', new Uint8Array(6))).toThrow(
      expect.objectContaining({ name: 'InputError', code: 'INPUT_BYTE_LENGTH', expected: 4, received: 6 }),
    )
  })

  it('refuses what is no Uint8Array', () => {
    for (const bytes of [null, undefined, new ArrayBuffer(4), Symbol('bytes')]) {
      expect(() => viewAs('uint8', bytes as never)).toThrow(
        expect.objectContaining({ name: 'InputError', code: 'INPUT_DTYPE', expected: 'Uint8Array' }),
      )
    }
  })
})

describe('what is no dtype or no count', () => {
  it.each([null, undefined, 'float', 'constructor', {}, Symbol('float32')])('is refused: %o', (dtype) => {
    const refusal = expect.objectContaining({ name: 'InputError', code: 'INPUT_DTYPE', received: dtype })
    expect(() => byteLengthOf(dtype as never, 1)).toThrow(refusal)
    expect(() => arrayLengthOf(dtype as never, 1)).toThrow(refusal)
    expect(() => allocate(dtype as never, 1)).toThrow(refusal)
    expect(() => viewAs(dtype as never, new Uint8Array(4))).toThrow(refusal)
  })

  it.each([null, undefined, '4', 4n, Symbol('4')])('is refused: %o elements', (count) => {
    expect(() => allocate('float32', count as never)).toThrow(
      expect.objectContaining({ name: 'InputError', code: 'INVALID_ARGUMENT', received: count }),
    )
  })
})
