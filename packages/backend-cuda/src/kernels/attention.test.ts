import { expect, test } from 'vitest'
import type { DeviceBuffer, View } from '../program/view.ts'
import { testDevice } from '../testing/facts.ts'
import { describeKernels } from '../testing/kernel-runner.ts'
import { bytesOf, bytesTouchedOutside, makeView, randomValues, roundedTo, valuesOf } from '../testing/view-values.ts'
import { attention, whyNotAttention } from './attention.ts'

interface Case {
  readonly precision: 'fp32' | 'fp16'
  /** [batch, heads, queries, keys, head size] */
  readonly size: readonly [number, number, number, number, number]
  /** Axes of [B, H, Q, K] along which the mask broadcasts; no mask if absent. */
  readonly maskBroadcasts?: readonly number[]
  /** Keys after this one are masked by -inf. */
  readonly visible?: number
}

/** softmax(query keyT scale + mask) value in float64; the weights are rounded to float32 sums only at the end. */
function attentionReference(
  [batch, heads, queries, keys, head]: Case['size'],
  scale: number,
  [query, key, value, mask]: readonly [Float64Array, Float64Array, Float64Array, Float64Array | undefined],
): Float64Array {
  const out = new Float64Array(batch * heads * queries * head)
  for (let item = 0; item < batch * heads; item++) {
    for (let q = 0; q < queries; q++) {
      const scores = Array.from({ length: keys }, (_, k) => {
        let dot = 0
        for (let d = 0; d < head; d++)
          dot += query[(item * queries + q) * head + d]! * key[(item * keys + k) * head + d]!
        return dot * scale + (mask ? mask[(item * queries + q) * keys + k]! : 0)
      })
      const max = Math.max(...scores)
      const weights = scores.map((score) => Math.exp(score - max))
      const sum = weights.reduce((total, weight) => total + weight, 0)
      for (let d = 0; d < head; d++) {
        let total = 0
        for (let k = 0; k < keys; k++) total += weights[k]! * value[(item * keys + k) * head + d]!
        out[(item * queries + q) * head + d] = total / sum
      }
    }
  }
  return out
}

describeKernels('attention', ['attention_f16', 'attention_f32'], (runner) => {
  function check({ precision, size, maskBroadcasts, visible }: Case): void {
    const [batch, heads, queries, keys, head] = size
    const dtype = precision === 'fp16' ? 'float16' : 'float32'
    const contents = new Map<DeviceBuffer, Uint8Array>()
    // As a transformer has them: [batch, token, head, element] in memory.
    const tokens = (count: number, seed: number): [View, Float64Array] => {
      const layout = [count * heads * head, head, heads * head, 1]
      const view = makeView(dtype, [batch, heads, count, head], { layout })
      const values = roundedTo(dtype, randomValues(batch * heads * count * head, seed, -2, 2))
      contents.set(view.buffer, bytesOf(view, values))
      return [view, values]
    }
    const [query, queryValues] = tokens(queries, 1)
    const [key, keyValues] = tokens(keys, 2)
    const [value, valueValues] = tokens(keys, 3)
    const output = makeView(dtype, [batch, heads, queries, head], {
      layout: [queries * heads * head, head, heads * head, 1],
    })
    let mask: View | undefined
    let maskValues: Float64Array | undefined
    if (maskBroadcasts) {
      const shape = [batch, heads, queries, keys]
      const strides = [heads * queries * keys, queries * keys, keys, 1].map((stride, axis) =>
        maskBroadcasts.includes(axis) ? 0 : stride,
      )
      mask = makeView(dtype, shape, { layout: strides })
      const all = roundedTo(dtype, randomValues(batch * heads * queries * keys, 4))
      const stored = all.map((element, at) =>
        visible !== undefined && at % keys >= visible ? Number.NEGATIVE_INFINITY : element,
      )
      contents.set(mask.buffer, bytesOf(mask, stored))
      maskValues = valuesOf(mask, contents.get(mask.buffer)!)
    }
    const scale = 1 / Math.sqrt(head)
    const launch = attention({ precision, query, key, value, output, scale, mask, device: testDevice })
    const bytes = runner.run([launch], contents).get(output.buffer)!
    expect(bytesTouchedOutside(output, bytes)).toBe(0)
    const expected = attentionReference(size, scale, [queryValues, keyValues, valueValues, maskValues])
    // float16: weights and results are rounded to 11 bits; values are at most 2.
    const tolerance = precision === 'fp16' ? 2 * 2 ** -11 : 2e-6
    for (const [at, result] of valuesOf(output, bytes).entries())
      if (!(Math.abs(result - expected[at]!) <= tolerance))
        expect.fail(`element ${at} is ${result}, expected ${expected[at]}`)
  }

  test.each<Case>([
    { precision: 'fp16', size: [1, 2, 64, 64, 64] },
    { precision: 'fp16', size: [2, 3, 17, 197, 64] },
    { precision: 'fp16', size: [1, 2, 49, 49, 32], maskBroadcasts: [0] },
    { precision: 'fp16', size: [1, 1, 33, 130, 128], maskBroadcasts: [0, 1, 2], visible: 60 },
    { precision: 'fp16', size: [2, 1, 5, 70, 80] },
    { precision: 'fp16', size: [1, 2, 1, 9, 8], maskBroadcasts: [1] },
    { precision: 'fp16', size: [40, 5, 70, 20, 24] },
    { precision: 'fp32', size: [1, 2, 64, 64, 64] },
    { precision: 'fp32', size: [2, 2, 17, 50, 32], maskBroadcasts: [0, 1, 2], visible: 33 },
    { precision: 'fp32', size: [1, 3, 9, 33, 7] },
    { precision: 'fp32', size: [1, 1, 40, 35, 100], maskBroadcasts: [] },
  ])('$precision $size, mask broadcast along $maskBroadcasts', check)

  test('leading keys may all be masked', () => {
    const view = makeView('float32', [1, 1, 1, 4])
    const keys = makeView('float32', [1, 1, 40, 4])
    const output = makeView('float32', [1, 1, 1, 4])
    const mask = makeView('float32', [1, 1, 1, 40])
    const values = Float64Array.from({ length: 160 }, (_, at) => Math.floor(at / 4))
    const contents = new Map([
      [view.buffer, bytesOf(view, [0, 0, 0, 0])],
      [keys.buffer, bytesOf(keys, values)],
      [
        mask.buffer,
        bytesOf(
          mask,
          Float64Array.from({ length: 40 }, (_, k) => (k < 38 ? Number.NEGATIVE_INFINITY : 0)),
        ),
      ],
    ])
    const launch = attention({
      precision: 'fp32',
      query: view,
      key: keys,
      value: keys,
      output,
      scale: 1,
      mask,
      device: testDevice,
    })
    const result = valuesOf(output, runner.run([launch], contents).get(output.buffer)!)
    expect([...result]).toEqual([38.5, 38.5, 38.5, 38.5])
  })

  test('says what it cannot compute', () => {
    const view = (head: number, layout?: readonly number[]) =>
      makeView('float16', [1, 2, 9, head], layout ? { layout } : {})
    const reasonFor = (one: View) =>
      whyNotAttention({
        precision: 'fp16',
        query: one,
        key: one,
        value: one,
        output: one,
        scale: 1,
        device: testDevice,
      })
    expect(reasonFor(view(64))).toBeUndefined()
    expect(reasonFor(view(136))).toContain('larger than 128')
    expect(reasonFor(view(12))).toContain('not aligned')
    expect(reasonFor(view(16, [0, 1, 32, 2]))).toContain('not contiguous')
    expect(() =>
      attention({
        precision: 'fp32',
        query: view(8),
        key: view(8),
        value: view(8),
        output: view(8),
        scale: 1,
        device: testDevice,
      }),
    ).toThrow('fp32 attention wants float32, got float16')
  })
})
