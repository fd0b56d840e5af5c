import { type DType, type Shape, sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
import { describeKernels } from '../testing/kernel-runner.ts'
import { largestError } from '../testing/row-reference.ts'
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
import { type PoolArgs, pool } from './pool.ts'

interface Case {
  readonly shape: Shape
  readonly operation?: PoolArgs['operation']
  readonly kernel: readonly number[]
  readonly strides?: readonly number[]
  readonly dilations?: readonly number[]
  /** All before, then all after. */
  readonly pads?: readonly number[]
  readonly ceilMode?: boolean
  readonly countIncludePad?: boolean
  readonly dtype?: DType
  readonly outputDType?: DType
  readonly layout?: ViewOptions['layout']
  readonly outputLayout?: ViewOptions['layout']
  readonly inputQuantization?: PoolArgs['inputQuantization']
  readonly outputQuantization?: PoolArgs['outputQuantization']
}

describeKernels('pool', ['pool'], (runner) => {
  function settings(it: Case) {
    const axes = it.kernel.length
    const ones = new Array<number>(axes).fill(1)
    const { shape, kernel, strides = ones, dilations = ones, pads = new Array(2 * axes).fill(0) } = it
    const sizes = kernel.map((taps, axis) => {
      const reach = dilations[axis]! * (taps - 1) + 1
      const free = shape[axis + 2]! + pads[axis]! + pads[axes + axis]! - reach
      const size = Math[it.ceilMode ? 'ceil' : 'floor'](free / strides[axis]!) + 1
      // A last window that would start in the padding behind does not count.
      return it.ceilMode && (size - 1) * strides[axis]! >= shape[axis + 2]! + pads[axis]! ? size - 1 : size
    })
    return { axes, kernel, strides, dilations, pads, outputShape: [...shape.slice(0, 2), ...sizes] }
  }

  function reference(values: ArrayLike<number>, it: Case): number[] {
    const { axes, kernel, strides, dilations, pads, outputShape } = settings(it)
    const windows = sizeOf(kernel)
    return Array.from({ length: sizeOf(outputShape) }, (_, index) => {
      let rest = index
      const places = outputShape.toReversed().map((size) => {
        const place = rest % size
        rest = Math.floor(rest / size)
        return place
      })
      const [n, c, ...at] = places.reverse()
      const found: number[] = []
      let counted = 0
      for (let tap = 0; tap < windows; tap++) {
        let left = tap
        let offset = n! * it.shape[1]! + c!
        let isInside = true
        let isCounted = true
        const taps = kernel.toReversed().map((size) => {
          const one = left % size
          left = Math.floor(left / size)
          return one
        })
        taps.reverse()
        for (let axis = 0; axis < axes; axis++) {
          const size = it.shape[axis + 2]!
          const place = at[axis]! * strides[axis]! - pads[axis]! + taps[axis]! * dilations[axis]!
          isInside &&= place >= 0 && place < size
          isCounted &&= place < size + pads[axes + axis]!
          offset = offset * size + place
        }
        if (isInside) found.push(values[offset]!)
        if (it.countIncludePad ? isCounted : isInside) counted++
      }
      if (it.operation !== 'average') return Math.max(...found)
      return Math.fround(found.reduce((sum, value) => Math.fround(sum + value), 0) / counted)
    })
  }

  function check(it: Case): void {
    const { shape, operation = 'max', dtype = 'float32', outputDType = dtype, layout = 'channels-last' } = it
    const { axes, kernel, strides, dilations, pads, outputShape } = settings(it)
    const integer = dtype === 'int8' || dtype === 'uint8'
    const values = integer
      ? randomIntegers(sizeOf(shape), 3, dtype === 'int8' ? -128 : 0, dtype === 'int8' ? 127 : 255)
      : randomValues(sizeOf(shape), 3)
    const input = makeView(dtype, shape, { layout })
    const output = makeView(outputDType, outputShape, { layout: it.outputLayout ?? 'channels-last' })
    const launch = pool({
      input,
      output,
      operation,
      kernel,
      strides,
      dilations,
      padsBefore: pads.slice(0, axes),
      padsAfter: pads.slice(axes),
      countIncludePad: it.countIncludePad ?? false,
      inputQuantization: it.inputQuantization,
      outputQuantization: it.outputQuantization,
    })
    const written = runner.run([launch], new Map([[input.buffer, bytesOf(input, values)]])).get(output.buffer)!
    const { scale = 1, zeroPoint = 0 } = it.inputQuantization ?? {}
    const real = roundedTo(dtype, values).map((value) => Math.fround(Math.fround(value - zeroPoint) * scale))
    let expected = reference(real, it)
    if (it.outputQuantization) {
      const to = it.outputQuantization
      const [low, high] = outputDType === 'int8' ? [-128, 127] : [0, 255]
      expected = expected.map((value) => {
        const level = Math.fround(value / Math.fround(to.scale))
        const rounded = level - Math.floor(level) === 0.5 ? 2 * Math.round(level / 2) : Math.round(level)
        return Math.min(high!, Math.max(low!, rounded + to.zeroPoint))
      })
    }
    const tolerance = operation === 'max' || integer ? 0 : 1e-6
    expect(largestError(valuesOf(output, written), roundedTo(outputDType, expected))).toBeLessThanOrEqual(tolerance)
    expect(bytesTouchedOutside(output, written)).toBe(0)
  }

  test.each<DType>(['float32', 'float16', 'int8', 'uint8'])('maxima of %s', (dtype) => {
    check({ dtype, shape: [2, 8, 9, 11], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })
    check({ dtype, shape: [1, 5, 7, 7], kernel: [2, 2], strides: [2, 2] })
    check({ dtype, shape: [1, 4, 9, 9], kernel: [5, 5], pads: [2, 2, 2, 2] })
  })

  test.each([false, true])('averages; padding counts: %s', (countIncludePad) => {
    const it: Case = { operation: 'average', countIncludePad, shape: [2, 8, 9, 11], kernel: [3, 3] }
    check({ ...it, strides: [2, 2], pads: [1, 1, 1, 1] })
    check({ ...it, strides: [2, 2], pads: [0, 1, 2, 1], dtype: 'float16', outputDType: 'float32' })
    check({ ...it, strides: [3, 2], pads: [1, 0, 1, 0], ceilMode: true })
    check({ ...it, kernel: [2, 3], dilations: [2, 3], pads: [1, 2, 1, 2] })
  })

  test('windows with dilations and a rounded up number of windows', () => {
    check({ shape: [1, 4, 10, 12], kernel: [3, 2], dilations: [2, 3], strides: [3, 2], ceilMode: true })
  })

  test('one and three spatial axes', () => {
    check({ shape: [2, 6, 13], kernel: [4], strides: [3], pads: [1, 2] })
    check({ shape: [1, 4, 5, 6, 7], kernel: [2, 3, 2], strides: [1, 2, 2], pads: [1, 0, 1, 0, 1, 0] })
    check({ operation: 'average', shape: [1, 4, 5, 6, 7], kernel: [2, 3, 2], pads: [1, 0, 1, 0, 1, 0] })
  })

  test('any strides', () => {
    check({ shape: [2, 6, 7, 8], kernel: [3, 3], layout: 'rows', outputLayout: 'rows' })
    const pitch = 24
    const layout = [56 * pitch, 1, 8 * pitch, pitch]
    check({ shape: [2, 16, 7, 8], kernel: [3, 3], pads: [1, 1, 1, 1], layout, outputLayout: layout })
  })

  test('quantized averages and maxima', () => {
    const it: Case = {
      shape: [1, 8, 6, 6],
      kernel: [3, 3],
      dtype: 'uint8',
      inputQuantization: { scale: 0.5, zeroPoint: 128 },
    }
    check({ ...it, operation: 'average', outputDType: 'int8', outputQuantization: { scale: 0.25, zeroPoint: -10 } })
    check({ ...it, operation: 'max', outputDType: 'uint8', outputQuantization: { scale: 1, zeroPoint: 100 } })
    check({ ...it, operation: 'average', outputDType: 'float32' })
  })

  test('passes NaN on', () => {
    const input = makeView('float32', [1, 1, 1, 4])
    const output = makeView('float32', [1, 1, 1, 2])
    const sides = { kernel: [1, 2], strides: [1, 2], dilations: [1, 1], padsBefore: [0, 0], padsAfter: [0, 0] }
    const launch = pool({ input, output, operation: 'max', ...sides })
    const written = runner.run([launch], new Map([[input.buffer, bytesOf(input, [Number.NaN, 1, 2, 3])]]))
    expect([...valuesOf(output, written.get(output.buffer)!)]).toEqual([Number.NaN, 3])
  })

  test('refuses integers that stand for nothing', () => {
    const input = makeView('int8', [1, 4, 4, 4])
    const sides = { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], padsBefore: [0, 0], padsAfter: [0, 0] }
    const output = makeView('int8', [1, 4, 2, 2])
    expect(() => pool({ input, output, operation: 'average', ...sides })).toThrow('quantization')
    const flat = makeView('int8', [1, 4])
    expect(() => pool({ input: flat, output, operation: 'max', ...sides })).toThrow('[1,4]')
  })
})
