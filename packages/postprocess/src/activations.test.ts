import { Tensor } from '@lowlat/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sigmoid, softmax } from './activations.ts'

const tensor = (shape: number[], values: number[]) => new Tensor('float32', shape, Float32Array.from(values))

describe('softmax', () => {
  it('sums to 1 along any axis and keeps the ratios of the exponentials', () => {
    const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(
        shape,
        fc.nat(),
        fc.infiniteStream(fc.float({ min: -50, max: 50, noNaN: true })),
        (dims, pick, stream) => {
          const axis = pick % dims.length
          const size = dims.reduce((product, dim) => product * dim, 1)
          const values = Array.from({ length: size }, () => stream.next().value as number)
          const { data } = softmax(tensor(dims, values), { axis })
          const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1)
          const length = dims[axis]!
          for (let i = 0; i < size; i++) {
            // Element i's slice: all positions along the axis with the other indices as they are.
            const first = i - (Math.floor(i / inner) % length) * inner
            const slice = Array.from({ length }, (_, k) => first + k * inner)
            const sum = slice.reduce((total, k) => total + Math.exp(values[k]! - values[i]!), 0)
            expect(data[i]!).toBeCloseTo(1 / sum, 5)
          }
        },
      ),
    )
  })

  it('does not overflow', () => {
    expect([...softmax(tensor([3], [1e30, 1e30, -1e30])).data]).toEqual([0.5, 0.5, 0])
    expect([...softmax(tensor([2], [Number.NEGATIVE_INFINITY, 0])).data]).toEqual([0, 1])
  })

  it('counts negative axes from the end and leaves its input alone', () => {
    const input = tensor([2, 2], [1, 2, 3, 4])
    expect(softmax(input, { axis: -2 })).toEqual(softmax(input, { axis: 0 }))
    expect([...input.data]).toEqual([1, 2, 3, 4])
  })

  it('takes float16', () => {
    expect([...softmax(Tensor.float16([2], [0, 0])).data]).toEqual([0.5, 0.5])
  })

  it('refuses an axis that is not there', () => {
    const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })
    expect(() => softmax(tensor([2], [1, 2]), { axis: 1 })).toThrow(invalid)
    expect(() => softmax(tensor([2], [1, 2]), { axis: -2 })).toThrow(invalid)
    expect(() => softmax(tensor([], [1]))).toThrow(invalid)
  })
})

describe('sigmoid', () => {
  it('maps to 0..1, also far out', () => {
    const { data } = sigmoid(tensor([4], [0, 1000, -1000, Math.log(3)]))
    expect([...data]).toEqual([0.5, 1, 0, 0.75])
  })
})
