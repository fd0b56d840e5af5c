import { RequestContext, Tensor, Timeline } from '@lowlat/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classify, topK, topKBatch, topKIndices } from './top-k.ts'

const tensor = (shape: number[], values: number[]) => new Tensor('float32', shape, Float32Array.from(values))
const request = () => new RequestContext({ timeline: new Timeline() })

describe('topKIndices', () => {
  it('is the beginning of a stable sort with NaN last, however many are asked for', () => {
    const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(Number.NaN, -Infinity, Infinity, -0))
    fc.assert(
      fc.property(fc.array(value, { maxLength: 150 }), fc.integer({ min: 1, max: 160 }), (values, k) => {
        const key = (i: number) => (Number.isNaN(values[i]) ? undefined : values[i]!)
        const sorted = values
          .map((_, i) => i)
          .sort((a, b) => {
            const [x, y] = [key(a), key(b)]
            if (x === y) return a - b
            if (x === undefined) return 1
            if (y === undefined) return -1
            return y > x ? 1 : -1
          })
        expect(topKIndices(values, k)).toEqual(sorted.slice(0, k))
      }),
    )
  })
})

describe('classify', () => {
  const logits = tensor([2, 3], [0, 2, 1, 5, 4, 4])

  it('lists the best classes of every row, with labels', () => {
    expect(classify(logits, 2, { labels: ['a', 'b', 'c'] })).toEqual([
      [
        { index: 1, score: 2, label: 'b' },
        { index: 2, score: 1, label: 'c' },
      ],
      [
        { index: 0, score: 5, label: 'a' },
        { index: 1, score: 4, label: 'b' },
      ],
    ])
  })

  it('reports probabilities of logits', () => {
    const [row] = classify(logits, 3, { softmax: true })
    expect(row!.map(({ index }) => index)).toEqual([1, 2, 0])
    expect(row!.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 6)
  })

  it('gives all classes when more are asked for', () => {
    expect(classify(logits, 10)[0]).toHaveLength(3)
  })

  it('refuses other shapes and the wrong number of labels', () => {
    const code = (expected: string) => expect.objectContaining({ code: expected })
    expect(() => classify(tensor([1, 1, 3], [1, 2, 3]), 1)).toThrow(code('INPUT_SHAPE'))
    expect(() => classify(tensor([], [1]), 1)).toThrow(code('INPUT_SHAPE'))
    expect(() => classify(logits, 1, { labels: ['a', 'b'] })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', expected: 3, received: 2 }),
    )
  })
})

describe('the stages', () => {
  it('take one request, or a batch', async () => {
    const one = await topK(1).run(tensor([1, 2], [1, 3]), request())
    expect(one).toEqual([{ index: 1, score: 3 }])
    expect(await topK(1).run(tensor([2], [1, 3]), request())).toEqual(one)
    expect(await topKBatch(1).run(tensor([2, 2], [1, 3, 1, 3]), request())).toEqual([one, one])
  })

  it('refuse a batch where one request is expected, and a bad k at once', () => {
    expect(() => topK(1).run(tensor([2, 1], [1, 2]), request())).toThrow(
      expect.objectContaining({ code: 'INPUT_SHAPE', remedy: expect.stringContaining('topKBatch') }),
    )
    for (const k of [0, -1, 1.5, Number.NaN]) {
      expect(() => topK(k)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    }
  })
})
