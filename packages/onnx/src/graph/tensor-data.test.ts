import { byteLengthOf, type DType, dtypes, isLowlatError, Tensor } from '@lowlat/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decode } from '../codec/decode.ts'
import { encode } from '../codec/encode.ts'
import type { TensorProto } from '../codec/messages.ts'
import { Initializer } from './initializer.ts'

const throughFile = (message: TensorProto) =>
  Initializer.fromMessage(decode('TensorProto', encode('TensorProto', message)))

/** The elements in the typed field that onnx.proto prescribes, written out independently of the reader. */
function typedMessage(tensor: Tensor): TensorProto {
  const header = { dims: tensor.shape.map(BigInt), dataType: dtypes[tensor.dtype].onnxCode }
  const { data } = tensor
  if (data instanceof BigInt64Array) return { ...header, int64Data: [...data] }
  if (data instanceof BigUint64Array) return { ...header, uint64Data: [...data] }
  if (data instanceof Uint32Array) return { ...header, uint64Data: [...data].map(BigInt) }
  if (data instanceof Float32Array) return { ...header, floatData: [...data] }
  if (data instanceof Float64Array) return { ...header, doubleData: [...data] }
  return { ...header, int32Data: [...data] }
}

describe('tensor data', () => {
  for (const dtype of Object.keys(dtypes) as DType[]) {
    it(`is the same from raw bytes and from typed fields: ${dtype}`, () => {
      const size = fc.nat({ max: 9 })
      const property = fc.property(size, fc.uint8Array({ minLength: 144, maxLength: 144 }), (count, random) => {
        const bytes = random.slice(0, byteLengthOf(dtype, count))
        // A signalling NaN need not keep its bits in a list of JavaScript numbers: clear the top exponent bit.
        if (dtype === 'float32' || dtype === 'float64' || dtypes[dtype].kind === 'complex') {
          for (let i = 0; i < bytes.length; i++) bytes[i] = bytes[i]! & 0xbf
        }
        const tensor = Tensor.fromBytes(dtype, [count], bytes)
        const raw = throughFile(Initializer.fromTensor(tensor).message)
        const typed = throughFile(typedMessage(tensor))
        for (const read of [raw, typed]) {
          expect(read.tensor.dtype).toBe(dtype)
          expect(read.tensor.shape).toEqual([count])
          expect(read.tensor.bytes).toEqual(bytes)
        }
      })
      fc.assert(property, { numRuns: 20 })
    })
  }

  it('reads negative numbers and bits of float16 from 32-bit lists', () => {
    const int8 = throughFile({ dims: [3n], dataType: 3, int32Data: [-1, -128, 127] }).tensor
    expect([...int8.data]).toEqual([-1, -128, 127])
    const float16 = throughFile({ dims: [2n], dataType: 10, int32Data: [0x3c00, 0xbc00] }).tensor
    expect([...float16.toFloat32()]).toEqual([1, -1])
  })

  it('reads packed 4-bit elements, two in each number', () => {
    const int4 = throughFile({ dims: [3n], dataType: 22, int32Data: [0x21, 0x03] }).tensor
    expect(int4.size).toBe(3)
    expect([...int4.data]).toEqual([0x21, 0x03])
  })

  it('is a view on the file where it is aligned, read once', () => {
    const rawData = new Uint8Array(new Float32Array([1, 2]).buffer)
    const initializer = Initializer.fromMessage({ dims: [2n], dataType: 1, rawData })
    expect(initializer.tensor.data.buffer).toBe(rawData.buffer)
    expect(initializer.tensor).toBe(initializer.tensor)
  })

  it('reads and writes strings', () => {
    const texts = ['', 'é', '\u{feff}a']
    const initializer = throughFile(Initializer.fromStrings([3], texts).message)
    expect(initializer.elementType).toBe('string')
    expect(initializer.strings).toEqual(texts)
    expect(() => initializer.tensor).toThrow(/string.*`strings`/)
  })

  it.each<[string, TensorProto, string, RegExp]>([
    ['too few raw bytes', { dims: [2n], dataType: 1, rawData: new Uint8Array(4) }, 'MODEL_INVALID', /8 bytes .* got 4/],
    ['too few numbers', { dims: [4n], dataType: 7, int64Data: [1n] }, 'MODEL_INVALID', /4 numbers .* got 1/],
    ['no data for a huge shape', { dims: [1n << 40n], dataType: 1 }, 'MODEL_INVALID', /got 0/],
    ['data in another type', { dims: [1n], dataType: 1, int64Data: [1n] }, 'MODEL_INVALID', /got 0/],
    ['segments', { dims: [1n], dataType: 1, segment: { begin: 0n, end: 1n } }, 'MODEL_UNSUPPORTED', /segments/],
    ['an unknown data type', { dims: [1n], dataType: 99, rawData: new Uint8Array(1) }, 'MODEL_UNSUPPORTED', /type 99/],
    [
      'external data',
      { dims: [1n], dataType: 1, name: 'w', dataLocation: 1, externalData: [{ key: 'location', value: 'w.bin' }] },
      'MODEL_UNSUPPORTED',
      /'w'.*'w\.bin'.*graphFromFile/,
    ],
  ])('refuses %s only when the data are asked for', (_, message, code, text) => {
    const initializer = throughFile(message)
    expect(() => initializer.tensor).toThrow(text)
    try {
      initializer.tensor
    } catch (error) {
      expect(isLowlatError(error, code as 'MODEL_INVALID')).toBe(true)
    }
  })

  it('refuses a negative size, strings that are not UTF-8, and strings asked of numbers', () => {
    expect(() => throughFile({ dims: [-1n], dataType: 1 })).toThrow(/sizes of 0 or more/)
    expect(() => throughFile({ dims: [1n], dataType: 8, stringData: [Uint8Array.of(0xff)] }).strings).toThrow(/UTF-8/)
    expect(() => throughFile({ dims: [0n], dataType: 1 }).strings).toThrow(/`tensor`/)
  })
})
