import { type DType, type Shape, sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
import type { View } from '../program/view.ts'
import { describeKernels } from '../testing/kernel-runner.ts'
import { largestError, rowsOf } from '../testing/row-reference.ts'
import {
  bytesOf,
  bytesTouchedOutside,
  makeView,
  randomValues,
  roundedTo,
  type ViewOptions,
  valuesOf,
} from '../testing/view-values.ts'
import { broadcastStrides } from './iteration.ts'
import { type NormalizeArgs, normalize } from './normalize.ts'

interface Case {
  readonly shape: Shape
  readonly axes: readonly number[]
  /** Of scale and bias; neither if absent. */
  readonly scaleShape?: Shape
  readonly kind?: 'layer' | 'rms'
  readonly dtype?: DType
  readonly layout?: ViewOptions['layout']
  readonly residual?: Shape
  readonly withSum?: boolean
  /** Added to every value. */
  readonly offset?: number
  readonly tolerance?: number
}

describeKernels('normalize', ['normalize'], (runner) => {
  function check(it: Case): void {
    const { shape, axes, scaleShape, kind = 'layer', dtype = 'float32', layout = 'rows', withSum } = it
    const contents = new Map<View['buffer'], Uint8Array>()
    const make = (of: Shape, seed: number, options: ViewOptions = {}, stored: DType = dtype) => {
      const view = makeView(stored, of, options)
      const values = roundedTo(
        stored,
        randomValues(sizeOf(of), seed).map((value) => value + (it.offset ?? 0)),
      )
      contents.set(view.buffer, bytesOf(view, values))
      const indices = { ...makeView('float64', of), shape, strides: broadcastStrides(makeView('float64', of), shape) }
      const order = valuesOf(indices, new Uint8Array(Float64Array.from(values.keys()).buffer))
      return { view, values: order.map((index) => values[index]!) }
    }
    const input = make(shape, 1, { layout, offset: 1 })
    const scale = scaleShape && make(scaleShape, 2, {}, 'float32')
    const bias = scaleShape && make(scaleShape, 3, {}, 'float32')
    const residual = it.residual && make(it.residual, 4)
    const output = makeView(dtype, shape, { layout })
    const sum = withSum ? makeView(dtype, shape) : undefined
    const args: NormalizeArgs = {
      input: input.view,
      output,
      axes,
      epsilon: 1e-5,
      kind,
      scale: scale?.view,
      bias: bias?.view,
      residual: residual?.view,
      sum,
    }
    const written = runner.run([normalize(args)], contents)

    const x = input.values.map((value, index) => Math.fround(value + (residual?.values[index] ?? 0)))
    const expected = new Float64Array(x.length)
    for (const row of rowsOf(shape, axes)) {
      const mean = kind === 'rms' ? 0 : row.reduce((total, index) => total + x[index]!, 0) / row.length
      const variance = row.reduce((total, index) => total + (x[index]! - mean) ** 2, 0) / row.length
      for (const index of row) {
        const normal = (x[index]! - mean) / Math.sqrt(variance + 1e-5)
        expected[index] = normal * (scale?.values[index] ?? 1) + (bias?.values[index] ?? 0)
      }
    }
    const { tolerance = dtype === 'float16' ? 2e-3 : 1e-5 } = it
    expect(largestError(valuesOf(output, written.get(output.buffer)!), expected)).toBeLessThanOrEqual(tolerance)
    expect(bytesTouchedOutside(output, written.get(output.buffer)!)).toBe(0)
    if (sum) expect([...valuesOf(sum, written.get(sum.buffer)!)]).toEqual([...roundedTo(dtype, x)])
  }

  test.each([1, 7, 64, 384, 768, 1000])('layers of %i', (length) => {
    check({ shape: [2, 5, length], axes: [2], scaleShape: [length] })
    check({ shape: [3, length], axes: [1], scaleShape: [length], dtype: 'float16' })
    check({ shape: [3, length], axes: [1], kind: 'rms', scaleShape: [length] })
  })

  test('layers that registers do not hold', () => {
    check({ shape: [2, 6000], axes: [1], scaleShape: [6000], residual: [2, 6000], withSum: true })
  })

  test('layers of several axes, without scale', () => {
    check({ shape: [4, 6, 10], axes: [1, 2] })
  })

  test('adds a residual before, and gives the sum too', () => {
    check({ shape: [3, 5, 96], axes: [2], scaleShape: [96], residual: [3, 5, 96], withSum: true })
    check({ shape: [3, 5, 96], axes: [2], scaleShape: [96], residual: [96], withSum: true, dtype: 'float16' })
  })

  test.each(['rows', 'channels-last'] as const)('instances: over the pixels of each channel, %s', (layout) => {
    check({ shape: [2, 12, 6, 5], axes: [2, 3], scaleShape: [12, 1, 1], layout })
  })

  test('channels of pixels that lie apart', () => {
    check({ shape: [2, 12, 6, 5], axes: [1], scaleShape: [12, 1, 1] })
    check({ shape: [2, 48, 6, 5], axes: [1], scaleShape: [48, 1, 1], layout: 'channels-last' })
  })

  test.each(['rows', 'channels-last'] as const)('groups of channels, %s', (layout) => {
    // [N, groups, channels of a group, H, W]
    const shape = [2, 4, 8, 5, 6]
    const strides = layout === 'rows' ? 'rows' : [32 * 30, 8, 1, 6 * 32, 32]
    check({ shape, axes: [2, 3, 4], scaleShape: [4, 8, 1, 1], layout: strides })
  })

  test('keeps its precision far from zero', () => {
    // Where numbers are 6e-5 apart.
    check({ shape: [2, 256], axes: [1], offset: 1000, tolerance: 1e-4 })
  })
})
