import { describe, expect, it } from 'vitest'
import type { TensorInfo } from './contract.ts'
import { feedList } from './feed-list.ts'
import { Tensor } from './tensor.ts'

const inputs: TensorInfo[] = ['a', 'b'].map((name) => ({ name, dtype: 'float32', shape: ['n'] }))
const [a, b] = [Tensor.zeros('float32', [1]), Tensor.zeros('float32', [2])]

describe('feeds at the start of a run', () => {
  it('come in the order of the inputs, each read once', () => {
    let reads = 0
    const feeds = Object.create({ b })
    Object.defineProperty(feeds, 'a', {
      get() {
        reads++
        return a
      },
    })
    expect(feedList(feeds, inputs)).toEqual([
      { name: 'a', tensor: a },
      { name: 'b', tensor: b },
    ])
    expect(reads).toBe(1)
  })

  it('that are gone, or whose memory is, are named', () => {
    expect(() => feedList({ a }, inputs)).toThrow(
      expect.objectContaining({ code: 'INPUT_MISSING', expected: 'b', message: expect.stringContaining("'b'") }),
    )
    const gone = Tensor.zeros('float32', [3])
    structuredClone(gone.data.buffer, { transfer: [gone.data.buffer as ArrayBuffer] })
    expect(() => feedList({ a, b: gone }, inputs)).toThrow(
      expect.objectContaining({ code: 'INPUT_BYTE_LENGTH', expected: 3, received: 0 }),
    )
  })
})
