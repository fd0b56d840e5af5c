import { expect, test } from 'vitest'
import type { DeviceBuffer, View } from '../program/view.ts'
import { matrixReference } from '../testing/convolution-reference.ts'
import { testDevice } from '../testing/facts.ts'
import { finishSum } from '../testing/int8-reference.ts'
import { describeKernels } from '../testing/kernel-runner.ts'
import {
  bytesOf,
  bytesTouchedOutside,
  makeView,
  randomIntegers,
  randomValues,
  roundedTo,
  type ViewOptions,
  valuesOf,
} from '../testing/view-values.ts'
import { canMultiply, matrixProduct, matrixProductTactics } from './matrix-product.ts'
import { type ProductPrecision, packedDepth, packMatrix, weightDTypes } from './packing.ts'
import { splitCounters } from './split-counters.ts'

interface Case {
  readonly precision: ProductPrecision
  /** [batch, M, N, K]; a batch of 0 stands for matrices without leading axes. */
  readonly size: readonly [number, number, number, number]
  /** Packed weights, a transposed view, or a row-major matrix; 'packed' if absent. */
  readonly b?: 'packed' | 'transposed' | 'rows'
  readonly a?: ViewOptions
  readonly loader: string
  readonly alpha?: number
}

describeKernels('matrixProduct', ['product_f16', 'product_int8', 'product_tf32', 'product_f32'], (runner) => {
  function check({ precision, size, b: form = 'packed', a: options = {}, loader, alpha }: Case): void {
    const [batch, rows, columns, depth] = size
    const items = batch || 1
    const leading = batch ? [batch] : []
    const integer = precision === 'int8'
    const dtype = weightDTypes[precision]
    const values = (count: number, seed: number) =>
      integer
        ? randomIntegers(count, seed, -128, 127)
        : roundedTo(dtype, roundedTo('float32', randomValues(count, seed)))
    const aValues = values(items * rows * depth, 1)
    const shared = form === 'packed'
    const bValues = values((shared ? 1 : items) * depth * columns, 2)
    const contents = new Map<DeviceBuffer, Uint8Array>()
    contents.set(splitCounters, new Uint8Array(splitCounters.sizeBytes))
    const upload = (view: View, elements: ArrayLike<number>) => {
      contents.set(view.buffer, bytesOf(view, elements))
      return view
    }
    const a = upload(makeView(dtype, [...leading, rows, depth], options), aValues)
    let b: View
    if (shared) {
      b = makeView(dtype, [columns, packedDepth(depth, precision)], { kind: 'constant' })
      const weights = integer ? Int8Array.from(bValues) : Float32Array.from(bValues)
      contents.set(b.buffer, packMatrix(weights, { columns, depth, transposed: true }, precision))
    } else {
      const layout = form === 'rows' ? 'rows' : [...(batch ? [columns * depth] : []), 1, depth]
      b = upload(makeView(dtype, [...leading, depth, columns], { layout }), bValues)
    }
    const output = makeView('float32', [...leading, rows, columns])
    const bias = roundedTo('float32', randomValues(columns, 3))
    const multiplier = roundedTo('float32', randomValues(columns, 4, 1e-4, 1e-3))
    const launch = matrixProduct({
      precision,
      a,
      b,
      packed: shared,
      output,
      epilogue: {
        bias: upload(makeView('float32', [columns]), bias),
        alpha,
        multiplier: integer ? upload(makeView('float32', [columns]), multiplier) : undefined,
      },
      device: testDevice,
    })
    expect(launch.tactic.split('/')[1]).toBe(loader)
    const repeated = shared
      ? Float64Array.from({ length: items * depth * columns }, (_, at) => bValues[at % (depth * columns)]!)
      : bValues
    const reference = matrixReference(aValues, repeated, [items, rows, columns, depth])
    const bytes = runner.run([launch], contents).get(output.buffer)!
    expect(bytesTouchedOutside(output, bytes)).toBe(0)
    for (const [at, result] of valuesOf(output, bytes).entries()) {
      const expected = finishSum(reference.sums[at]!, at % columns, at, {
        bias,
        ...(alpha && { alpha }),
        ...(integer && { multiplier }),
      })
      const relative = integer ? 0 : precision === 'tf32' ? 2 ** -10 : 2 ** -18
      const tolerance = reference.magnitudes[at]! * relative + (integer ? 0 : 1e-6)
      if (!(Math.abs(result - expected) <= tolerance))
        expect.fail(`element ${at} is ${result}, expected ${expected} within ${tolerance}`)
    }
  }

  test.each<Case>([
    { precision: 'fp16', size: [0, 70, 96, 128], loader: 'v16' },
    { precision: 'fp16', size: [0, 1, 1000, 64], loader: 'v16', alpha: 0.5 },
    { precision: 'fp16', size: [3, 17, 40, 64], loader: 'v16' },
    { precision: 'fp16', size: [0, 33, 4, 30], loader: 'v4' },
    { precision: 'fp16', size: [0, 33, 40, 15], loader: 'any' },
    { precision: 'fp16', size: [0, 33, 40, 64], a: { layout: [1, 40] }, loader: 'any' },
    { precision: 'fp16', size: [4, 50, 50, 32], b: 'transposed', loader: 'v16' },
    { precision: 'fp16', size: [4, 50, 32, 56], b: 'rows', loader: 'v16_depth' },
    { precision: 'fp16', size: [2, 65, 129, 40], b: 'rows', loader: 'any_any' },
    { precision: 'fp16', size: [2, 130, 72, 24], b: 'rows', loader: 'v16_depth' },
    { precision: 'fp32', size: [0, 70, 96, 100], loader: 'v16' },
    { precision: 'fp32', size: [3, 37, 64, 20], b: 'rows', loader: 'v16_depth' },
    { precision: 'fp32', size: [3, 37, 50, 33], b: 'rows', loader: 'any_any' },
    { precision: 'fp32', size: [2, 37, 50, 36], b: 'transposed', loader: 'v16' },
    { precision: 'fp32', size: [0, 20, 30, 7], a: { offset: 3 }, loader: 'any' },
    { precision: 'tf32', size: [0, 70, 96, 100], loader: 'v16' },
    { precision: 'tf32', size: [2, 30, 32, 20], b: 'rows', loader: 'any_any' },
    { precision: 'int8', size: [0, 70, 96, 128], loader: 'v16' },
    { precision: 'int8', size: [0, 5, 10, 36], loader: 'v4' },
    { precision: 'int8', size: [2, 35, 21, 33], b: 'rows', loader: 'any_any' },
  ])('$precision $size by $loader', check)

  test('names every tactic that can run a product', () => {
    const a = makeView('float16', [4, 50, 32])
    const b = makeView('float16', [4, 32, 64])
    const output = makeView('float16', [4, 50, 64])
    const args = { precision: 'fp16', a, b, packed: false, output, device: testDevice, splitDepth: false } as const
    const tactics = matrixProductTactics(args)
    expect([...tactics].sort()).toEqual(['128x64/v16_depth', '64x32/v16_depth'])
    for (const tactic of tactics) expect(matrixProduct({ ...args, tactic }).tactic).toBe(tactic)
  })

  test('joins leading axes, turns those that b stays on into rows, and refuses more than two batches', () => {
    const b = makeView('float16', [64, 64])
    const launchOf = (shape: readonly number[], bView: View, packed: boolean) =>
      matrixProduct({
        precision: 'fp16',
        a: makeView('float16', [...shape, 64]),
        b: bView,
        packed,
        output: makeView('float16', [...shape, 64]),
        device: testDevice,
      })
    expect(launchOf([2, 3, 5, 7], b, true).arguments).toMatchObject({ rows: 210, innerCount: 1 })
    const own = launchOf([2, 3, 5, 7], makeView('float16', [2, 3, 5, 64, 64]), false)
    expect(own.arguments).toMatchObject({ rows: 7, innerCount: 30, inputInner: 7 * 64, weightsInner: 64 * 64 })
    // Attention heads as views: batch and heads do not join.
    const heads = makeView('float16', [2, 3, 64, 64], { layout: [3 * 64 * 64, 64, 3 * 64, 1] })
    expect(launchOf([2, 3, 7], heads, false).arguments).toMatchObject({
      innerCount: 3,
      weightsOuter: 3 * 64 * 64,
      weightsInner: 64,
    })
    const scattered = makeView('float16', [2, 3, 5, 64, 64], { layout: [64 * 15, 64, 64 * 3, 64 * 1000, 1] })
    const output = makeView('float16', [2, 3, 5, 7, 64])
    expect(canMultiply({ a: output, b: scattered, packed: false, output })).toBe(false)
    expect(() => launchOf([2, 3, 5, 7], scattered, false)).toThrow('too many for one launch')
  })
})
