import { isLowlatError, type LowlatError } from '@lowlat/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeModel } from '../graph/describe.ts'
import { graphFromModel, graphFromOnnx } from '../graph/from-onnx.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'
import { arbitraryMessage, unknownFields } from '../testing/arbitrary-message.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import type { ModelProto } from './messages.ts'
import { decodeModel, encodeModel } from './model.ts'
import { numbersOf, PackedList } from './packed-list.ts'
import { type MessageName, schema } from './schema.ts'

const errorOf = (run: () => unknown): LowlatError => {
  try {
    run()
  } catch (error) {
    if (isLowlatError(error)) return error
    throw error
  }
  throw new Error('expected an error')
}

const text = (value: string) => new TextEncoder().encode(value)

const model = (extra: Partial<ModelProto> = {}): ModelProto => ({
  irVersion: 8n,
  graph: { name: 'g', node: [{ input: ['x'], output: ['y'], opType: 'Relu' }] },
  opsetImport: [{ domain: '', version: 17n }],
  ...extra,
})

describe('round trip', () => {
  for (const name of Object.keys(schema) as MessageName[]) {
    it(`gives back any ${name}, and the same bytes again`, () => {
      const property = fc.property(arbitraryMessage(name, 2), (message) => {
        const bytes = encode(name, message)
        const decoded = decode(name, bytes)
        expect(plain(decoded)).toEqual(message)
        expect(encode(name, decoded)).toEqual(bytes)
      })
      fc.assert(property, { numRuns: 30 })
    })
  }

  it('keeps unknown fields of every wire type at every level', () => {
    const bytes = encodeModel({
      ...model(),
      unknownFields,
      graph: { unknownFields, node: [{ unknownFields, attribute: [{ unknownFields, name: 'a' }] }] },
    })
    const decoded = decodeModel(bytes)
    expect(decoded.graph?.node?.[0]?.attribute?.[0]?.unknownFields).toEqual(unknownFields)
    expect(encodeModel(decoded)).toEqual(bytes)
  })

  it('tells an absent field from one with its default value', () => {
    const bytes = encode('AttributeProto', { name: '', i: 0n, f: 0 })
    expect(decode('AttributeProto', bytes)).toEqual({ name: '', i: 0n, f: 0 })
    expect(encode('AttributeProto', {})).toHaveLength(0)
  })

  it('keeps text with a byte order mark and beyond the basic plane', () => {
    const name = '\u{feff}节点 🙂'
    expect(decode('NodeProto', encode('NodeProto', { name })).name).toBe(name)
  })

  it('reads lists of numbers in packed and in single form, and writes back the form that it read', () => {
    const single = Uint8Array.of(0x08, 1, 0x08, 2)
    const packed = Uint8Array.of(0x0a, 2, 1, 2)
    for (const bytes of [single, packed]) {
      const tensor = decode('TensorProto', bytes)
      expect(numbersOf(tensor.dims)).toEqual([1n, 2n])
      expect(encode('TensorProto', tensor)).toEqual(bytes)
    }
    const mixed = decode('TensorProto', Uint8Array.of(...packed, ...single, ...packed))
    expect(numbersOf(mixed.dims)).toEqual([1n, 2n, 1n, 2n, 1n, 2n])
  })

  it('merges a message that comes in several pieces, as protobuf does', () => {
    const first = encode('ValueInfoProto', { type: { denotation: 'a' } })
    const second = encode('ValueInfoProto', { type: { tensorType: { elemType: 1 } } })
    const merged = decode('ValueInfoProto', Uint8Array.of(...first, ...second))
    expect(merged).toEqual({ type: { denotation: 'a', tensorType: { elemType: 1 } } })
  })
})

describe('laziness', () => {
  it('leaves weights where they are in the file', () => {
    const weights = new Uint8Array(1 << 20).fill(7)
    const floats = new Float32Array(1000).fill(1.5)
    const bytes = encodeModel(
      model({
        graph: {
          initializer: [
            { name: 'raw', rawData: weights },
            { name: 'typed', floatData: [...floats] },
          ],
        },
      }),
    )
    const [raw, typed] = decodeModel(bytes).graph!.initializer!
    expect(raw!.rawData!.buffer).toBe(bytes.buffer)
    const list = typed!.floatData as PackedList<'float'>
    expect(list).toBeInstanceOf(PackedList)
    expect(list.bytes.buffer).toBe(bytes.buffer)
    expect(list.length).toBe(1000)
  })

  it('counts packed integers without decoding them', () => {
    expect(new PackedList('int64', Uint8Array.of(1, 0x80, 1, 0xff, 0xff, 1)).length).toBe(3)
  })

  it('hands out plain bytes for a Buffer, whose slice() would not copy', () => {
    const bytes = Buffer.from(encodeModel(model({ graph: { initializer: [{ rawData: text('abcd') }] } })))
    const raw = decodeModel(bytes).graph!.initializer![0]!.rawData!
    expect(Buffer.isBuffer(raw)).toBe(false)
    expect(raw.slice().buffer).not.toBe(bytes.buffer)
  })
})

describe('malformed bytes', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(), /no bytes/],
    ['a JPEG', Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16), /a JPEG image/],
    ['a PNG', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10), /a PNG image/],
    ['a zip', text('PK\x03\x04....'), /zip archive.*torch\.onnx\.export/],
    ['a Git LFS pointer', text('version https://git-lfs.github.com/spec/v1\n'), /git lfs pull/],
    ['a web page', text('<!DOCTYPE html>'), /a web page/],
    ['text', text('hello world, this is no model'), /malformed at offset/],
    ['a file without a graph', Uint8Array.of(8, 8), /no graph/],
    [
      'a length beyond the end',
      Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f),
      /4294967295 bytes, but only 0 are left/,
    ],
    ['a wrong wire type', Uint8Array.of(0x3d, 1, 2, 3, 4), /ModelProto\.graph: expected wire type 2, got 5/],
    ['a varint without an end', Uint8Array.of(8, ...new Array(12).fill(0xff)), /ModelProto\.irVersion/],
    [
      'an unknown varint without an end',
      Uint8Array.of(0xc0, 0x3e, ...new Array(12).fill(0xff), 1),
      /unknown field 1000/,
    ],
    ['text that is not UTF-8', Uint8Array.of(0x12, 1, 0xff), /ModelProto\.producerName.*utf-8/],
    ['field number 0', Uint8Array.of(0, 1), /illegal tag/],
    ['an end of a group that never began', Uint8Array.of(0xc4, 0x3e), /unknown field 1000/],
    [
      'a message that ends within a field',
      Uint8Array.of(0x3a, 2, 0x12, 5, 1, 2, 3, 4, 5),
      /after the message around it/,
    ],
    [
      'a packed list that ends within an element',
      Uint8Array.of(0x3a, 6, 0x2a, 4, 0x22, 2, 0, 0),
      /ends within a float/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    const error = errorOf(() => decodeModel(bytes))
    expect(error.code).toBe('MODEL_INVALID')
    expect(error.message).toMatch(message)
  })

  it('refuses every truncation of a model, or reads a shorter model', () => {
    const bytes = encodeModel(model({ docString: 'a longer text', producerName: 'test' }))
    for (let length = 0; length < bytes.length; length++) {
      try {
        decodeModel(bytes.subarray(0, length))
      } catch (error) {
        expect(isLowlatError(error, 'MODEL_INVALID')).toBe(true)
      }
    }
  })

  it('limits the depth of messages and of unknown groups', () => {
    let nested = Uint8Array.of()
    // TypeProto.sequenceType (4) holds ElementTypeProto.elemType (1), which is a TypeProto again.
    for (let depth = 0; depth < 200; depth++) {
      const tag = depth % 2 === 0 ? 0x0a : 0x22
      const length = nested.length < 128 ? [nested.length] : [(nested.length & 127) | 128, nested.length >> 7]
      nested = Uint8Array.of(tag, ...length, ...nested)
    }
    expect(errorOf(() => decode('TypeProto', nested)).message).toMatch(/nested deeper than 100/)
    const groups = new Uint8Array(100_000).map((_, index) => (index % 2 === 0 ? 0xc3 : 0x3e))
    expect(errorOf(() => decode('ModelProto', groups)).code).toBe('MODEL_INVALID')
  })

  it('takes time in proportion to the size of a list that comes in many pieces', () => {
    const pieces = new Uint8Array(300_000).map((_, index) => [0x0a, 1, 5][index % 3]!)
    expect(numbersOf(decode('TensorProto', pieces).dims)).toHaveLength(100_000)
  })
})

describe('what is no Uint8Array, and no message', () => {
  it.each([[null], [undefined], [5], ['model.onnx'], [[8, 8]], [new ArrayBuffer(2)], [Symbol('model')]])(
    'is refused: %o',
    (value) => {
      const no = value as never
      for (const read of [
        () => decodeModel(no),
        () => decode('NodeProto', no),
        () => graphFromOnnx(no),
        () => describeModel(no),
      ]) {
        expect(errorOf(read)).toMatchObject({ name: 'InputError', code: 'INVALID_ARGUMENT', received: value })
      }
      if (value instanceof ArrayBuffer) return // an object, as messages are
      for (const write of [
        () => encodeModel(no),
        () => encode('NodeProto', no),
        () => graphFromModel(no),
        () => onnxFromGraph(no),
      ]) {
        expect(errorOf(write)).toMatchObject({ name: 'InputError', code: 'INVALID_ARGUMENT', received: value })
      }
    },
  )
})

describe('encode', () => {
  it('names the field of a value that does not fit', () => {
    const error = errorOf(() => encode('TensorProto', { dataType: 2.5 }))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.message).toMatch(/TensorProto\.dataType/)
  })
})

/** The message with packed lists as arrays. */
function plain(value: unknown): unknown {
  if (value instanceof PackedList) return value.toArray()
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}
