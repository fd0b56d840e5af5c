import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocate, arrayLengthOf, byteLengthOf, type DType, dtypes } from './dtype.ts'
import { isShape, sameShape, sizeOf, Tensor } from './tensor.ts'

const all = Object.keys(dtypes) as DType[]
const failure = (fields: Record<string, unknown>) => expect.objectContaining({ name: 'InputError', ...fields })

describe('shapes', () => {
  it('have a size; scalars have one element', () => {
    expect([[], [0], [5], [2, 3, 4], [2, 0, 4]].map(sizeOf)).toEqual([1, 0, 5, 24, 0])
  })

  it('are equal in rank and in every axis', () => {
    expect(sameShape([1, 2], [1, 2])).toBe(true)
    expect(sameShape([], [])).toBe(true)
    for (const other of [[1], [1, 2, 1], [2, 1], []]) expect(sameShape([1, 2], other)).toBe(false)
  })

  it('hold non-negative integers', () => {
    for (const shape of [[], [0], [1, 3, 224, 224]]) expect(isShape(shape)).toBe(true)
    for (const other of [[-1], [1.5], [Number.NaN], ['1'], [2 ** 53], [1n], 3, null, undefined, 'ab', { length: 0 }]) {
      expect(isShape(other)).toBe(false)
    }
    expect(isShape(new Array(2))).toBe(false) // holes only
  })
})

describe('a Tensor', () => {
  it.each(all)('of %s is a handle on the given memory', (dtype) => {
    const data = allocate(dtype, 6)
    const tensor = new Tensor(dtype, [2, 3], data)
    expect(tensor.data).toBe(data)
    expect(tensor).toMatchObject({ dtype, shape: [2, 3], size: 6, byteLength: byteLengthOf(dtype, 6) })
    tensor.bytes.fill(0xff)
    expect(new Uint8Array(data.buffer).every((byte) => byte === 0xff)).toBe(true)
    expect(Tensor.zeros(dtype, [2, 3]).bytes).toEqual(new Uint8Array(byteLengthOf(dtype, 6)))
    expect(Tensor.zeros(dtype, []).size).toBe(1)
    expect(Tensor.zeros(dtype, [4, 0]).data.length).toBe(0)
  })

  it('keeps its shape when the caller changes the array that it was made with', () => {
    const shape = [2, 3]
    const tensor = Tensor.zeros('float32', shape)
    shape.push(100)
    shape[0] = 7
    expect(tensor.shape).toEqual([2, 3])
  })

  it.each(['float', 'constructor', '', undefined, null, 7, Object.create(null), Symbol('float32')])(
    'refuses the dtype %o',
    (dtype) => {
      const expected = failure({ code: 'INPUT_DTYPE', received: dtype })
      expect(() => new Tensor(dtype as DType, [1], new Float32Array(1))).toThrow(expected)
      expect(() => Tensor.zeros(dtype as DType, [1])).toThrow(expected)
      expect(() => Tensor.fromBytes(dtype as DType, [1], new Uint8Array(4))).toThrow(expected)
    },
  )

  it.each([[[-1]], [[1.5]], [[Number.NaN]], [[2n]], ['1,2'], [null], [undefined], [{}]])(
    'refuses the shape %o',
    (shape) => {
      const expected = failure({ code: 'INPUT_SHAPE', received: shape })
      expect(() => new Tensor('float32', shape as number[], new Float32Array(1))).toThrow(expected)
      expect(() => Tensor.zeros('float32', shape as number[])).toThrow(expected)
      expect(() => Tensor.fromBytes('float32', shape as number[], new Uint8Array(4))).toThrow(expected)
      expect(() => Tensor.zeros('float32', [1]).reshape(shape as number[])).toThrow(expected)
    },
  )

  it('refuses a shape that holds itself', () => {
    const shape: unknown[] = []
    shape.push(shape)
    expect(() => Tensor.zeros('float32', shape as number[])).toThrow(failure({ code: 'INPUT_SHAPE' }))
  })

  it('refuses data in the wrong kind of array, and names both', () => {
    const wrong: [unknown, string][] = [
      [new Float64Array(2), 'Float64Array'],
      [new Uint16Array(2), 'Uint16Array'],
      [[0, 0], 'Array'],
      [new ArrayBuffer(8), 'ArrayBuffer'],
      [null, 'null'],
      [undefined, 'undefined'],
      ['ab', 'String'],
    ]
    for (const [data, received] of wrong) {
      expect(() => new Tensor('float32', [2], data as Float32Array)).toThrow(
        failure({ code: 'INPUT_DTYPE', expected: 'Float32Array', received }),
      )
    }
  })

  it('refuses data of the wrong length, and names both', () => {
    expect(() => new Tensor('float32', [1, 3], new Float32Array(4))).toThrow(
      failure({ code: 'INPUT_BYTE_LENGTH', expected: 3, received: 4 }),
    )
    expect(() => new Tensor('int4', [5], new Uint8Array(5))).toThrow(failure({ expected: 3, received: 5 }))
    expect(() => new Tensor('complex64', [2], new Float32Array(2))).toThrow(failure({ expected: 4, received: 2 }))
    expect(() => new Tensor('float32', [2 ** 40, 2 ** 40], new Float32Array(1))).toThrow(
      failure({ code: 'INPUT_BYTE_LENGTH' }),
    )
    expect(() => Tensor.zeros('float32', [6]).reshape([7])).toThrow(failure({ code: 'INPUT_BYTE_LENGTH' }))
    expect(() => Tensor.fromBytes('float32', [3], new Uint8Array(11))).toThrow(
      failure({ code: 'INPUT_BYTE_LENGTH', expected: 12, received: 11 }),
    )
  })

  it.each([[[2 ** 40]], [[2 ** 30, 2 ** 30]], [[2 ** 53 - 1, 2 ** 53 - 1]]])(
    'refuses to allocate the shape %j',
    (shape) => {
      expect(() => Tensor.zeros('float32', shape)).toThrow(failure({ code: 'INPUT_SHAPE' }))
    },
  )

  it('may lie in memory that threads share', () => {
    const data = new Float32Array(new SharedArrayBuffer(16))
    const tensor = new Tensor('float32', [2, 2], data)
    tensor.rows(1, 2).data.fill(3)
    expect([...data]).toEqual([0, 0, 3, 3])
    expect(tensor.clone().data.buffer).toBeInstanceOf(ArrayBuffer)
    expect(Tensor.fromBytes('float32', [4], tensor.bytes).data.buffer).toBe(data.buffer)
  })

  it('says what was expected, what came and the remedy', () => {
    expect(() => new Tensor('float32', [1, 3], new Float32Array(4))).toThrow(
      'Expected 12 bytes (3 array elements) for float32 [1, 3], got 16 bytes (4 array elements). ' +
        'Check the shape against the data: the product of the axes is the number of elements.',
    )
  })
})

describe('fromBytes', () => {
  it('views aligned bytes and copies others, also from a Buffer', () => {
    const memory = Buffer.from(new Float32Array([1, 2, 3, 4]).buffer)
    const aligned = Tensor.fromBytes('float32', [2], memory.subarray(4, 12))
    expect([...aligned.data]).toEqual([2, 3])
    expect(aligned.data.buffer).toBe(memory.buffer)
    const shifted = Buffer.alloc(13)
    memory.copy(shifted, 1, 0, 12)
    expect([...Tensor.fromBytes('float32', [3], shifted.subarray(1)).data]).toEqual([1, 2, 3])
  })

  it.each(all)('gives back the bytes of %s', (dtype) => {
    const bytes = Uint8Array.from({ length: byteLengthOf(dtype, 8) }, (_, i) => i + 1)
    expect(Tensor.fromBytes(dtype, [2, 4], bytes).bytes).toEqual(bytes)
  })
})

describe('fromBytes and float16', () => {
  it.each([null, undefined, 7, 'abcd', new ArrayBuffer(4), new Float32Array(1), Object.create(null)])(
    'refuse %o instead of bytes',
    (bytes) => {
      expect(() => Tensor.fromBytes('float32', [1], bytes as Uint8Array)).toThrow(
        failure({ code: 'INPUT_DTYPE', expected: 'Uint8Array' }),
      )
    },
  )

  it.each([null, undefined, 7, '1', {}, ['1'], [null], [1n], BigInt64Array.of(1n), new Array(1)])(
    'refuse %o instead of numbers',
    (values) => {
      expect(() => Tensor.float16([1], values as number[])).toThrow(failure({ code: 'INPUT_DTYPE' }))
    },
  )

  it('refuse another number of values than the shape says', () => {
    expect(() => Tensor.float16([2], [1])).toThrow(failure({ code: 'INPUT_BYTE_LENGTH', expected: 2, received: 1 }))
    expect(() => Tensor.float16([2], { length: -1 })).toThrow(failure({ code: 'INPUT_DTYPE' }))
  })
})

describe('reshape and rows', () => {
  it('share memory', () => {
    const tensor = new Tensor('float32', [4, 3], new Float32Array(12))
    const rows = tensor.rows(1, 3)
    expect(rows.shape).toEqual([2, 3])
    rows.data.fill(7)
    tensor.reshape([12]).data[0] = 5
    expect([...tensor.data]).toEqual([5, 0, 0, 7, 7, 7, 7, 7, 7, 0, 0, 0])
  })

  it.each(all.filter((dtype) => dtypes[dtype].bits >= 8))('rows of %s are those of the outermost axis', (dtype) => {
    const tensor = Tensor.zeros(dtype, [5, 2, 3])
    for (const [i, byte] of tensor.bytes.entries()) tensor.bytes[i] = byte + i
    const row = arrayLengthOf(dtype, 6)
    expect(tensor.rows(1, 4).data).toEqual(tensor.data.subarray(row, 4 * row))
    expect(tensor.rows(0, 5).data).toEqual(tensor.data)
    expect(tensor.rows(5, 5).shape).toEqual([0, 2, 3])
  })

  it('refuses rows that are not there, scalars and packed elements', () => {
    expect(() => Tensor.zeros('int8', [2]).rows(0, Symbol('end') as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('rows 0 to Symbol(end)') }),
    )
    const cases: [Tensor, number, number][] = [
      [Tensor.zeros('float32', [3, 2]), 2, 4],
      [Tensor.zeros('float32', [3, 2]), -1, 2],
      [Tensor.zeros('float32', [3, 2]), 2, 1],
      [Tensor.zeros('float32', [3, 2]), Number.NaN, 1],
      [Tensor.zeros('float32', [3, 2]), 0.5, 1.5],
      [Tensor.zeros('float32', []), 0, 1],
      [Tensor.zeros('int4', [4, 2]), 0, 1],
    ]
    for (const [tensor, start, end] of cases) {
      expect(() => tensor.rows(start, end)).toThrow(failure({ code: 'INVALID_ARGUMENT', received: [start, end] }))
    }
  })

  it('rows put together again are the tensor', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }), (counts) => {
        const total = counts.reduce((sum, count) => sum + count, 0)
        const tensor = new Tensor(
          'int16',
          [total, 2],
          Int16Array.from({ length: total * 2 }, (_, i) => i),
        )
        const starts = counts.map((_, i) => counts.slice(0, i).reduce((sum, count) => sum + count, 0))
        const parts = starts.map((start, i) => tensor.rows(start, start + counts[i]!))
        expect(parts.flatMap((part) => [...part.data])).toEqual([...tensor.data])
      }),
    )
  })
})

describe('clone', () => {
  it.each(all)('copies the elements of %s', (dtype) => {
    const tensor = Tensor.zeros(dtype, [3])
    tensor.bytes.fill(1)
    const clone = tensor.clone()
    tensor.bytes.fill(2)
    expect(clone).toMatchObject({ dtype, shape: [3], size: 3 })
    expect(clone.bytes.every((byte) => byte === 1)).toBe(true)
  })

  it('copies a Buffer, whose own slice() would not', () => {
    const tensor = new Tensor('uint8', [3], Buffer.from([1, 2, 3]))
    const clone = tensor.clone()
    tensor.data[0] = 9
    expect([...clone.data]).toEqual([1, 2, 3])
  })
})

describe('toFloat32', () => {
  it('is the same memory for float32, and a conversion for every other real dtype', () => {
    const float32 = new Tensor('float32', [2], Float32Array.of(1, -2))
    expect(float32.toFloat32()).toBe(float32.data)
    const tensors: Tensor[] = [
      new Tensor('float64', [2], Float64Array.of(1, -2)),
      new Tensor('int8', [2], Int8Array.of(1, -2)),
      new Tensor('int16', [2], Int16Array.of(1, -2)),
      new Tensor('int32', [2], Int32Array.of(1, -2)),
      new Tensor('int64', [2], BigInt64Array.of(1n, -2n)),
      Tensor.float16([2], [1, -2]),
      new Tensor('bfloat16', [2], Uint16Array.of(0x3f80, 0xc000)),
      new Tensor('float8e4m3fn', [2], Uint8Array.of(0x38, 0xc0)),
      new Tensor('float8e5m2', [2], Uint8Array.of(0x3c, 0xc0)),
      new Tensor('float4e2m1', [2], Uint8Array.of(0xc2)),
    ]
    for (const tensor of tensors) expect([tensor.dtype, ...tensor.toFloat32()]).toEqual([tensor.dtype, 1, -2])
    const unsigned: Tensor[] = [
      new Tensor('uint8', [2], Uint8Array.of(1, 200)),
      new Tensor('uint16', [2], Uint16Array.of(1, 200)),
      new Tensor('uint32', [2], Uint32Array.of(1, 200)),
      new Tensor('uint64', [2], BigUint64Array.of(1n, 200n)),
    ]
    for (const tensor of unsigned) expect([...tensor.toFloat32()]).toEqual([1, 200])
    expect([...new Tensor('bool', [2], Uint8Array.of(1, 0)).toFloat32()]).toEqual([1, 0])
  })

  it.each(['complex64', 'complex128', 'int4', 'uint4', 'int2', 'uint2'] as const)('refuses %s', (dtype) => {
    expect(() => Tensor.zeros(dtype, [2]).toFloat32()).toThrow(failure({ code: 'INPUT_DTYPE', received: dtype }))
  })
})
