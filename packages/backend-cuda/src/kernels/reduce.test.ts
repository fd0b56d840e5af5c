import { type DType, type Shape, sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
import { describeKernels } from '../testing/kernel-runner.ts'
import { largestError, rowsOf } from '../testing/row-reference.ts'
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
import { argReduce, type ReduceArgs, type Reduction, reduce } from './reduce.ts'

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

const references: Readonly<Record<Reduction, (values: readonly number[]) => number>> = {
  sum,
  mean: (values) => sum(values) / values.length,
  max: (values) => Math.max(...values),
  min: (values) => Math.min(...values),
  product: (values) => values.reduce((a, b) => a * b, 1),
  l1: (values) => sum(values.map(Math.abs)),
  l2: (values) => Math.sqrt(sum(values.map((value) => value * value))),
  sumOfSquares: (values) => sum(values.map((value) => value * value)),
  logSum: (values) => Math.log(sum(values)),
  logSumExp: (values) => {
    const top = Math.max(...values)
    return top + Math.log(sum(values.map((value) => Math.exp(value - top))))
  },
}

interface Case {
  readonly operation?: Reduction
  readonly shape: Shape
  readonly axes: readonly number[]
  readonly dtype?: DType
  readonly layout?: ViewOptions['layout']
  readonly keepDims?: boolean
}

describeKernels('reduce', ['reduce', 'arg_reduce'], (runner) => {
  const keptShape = ({ shape, axes, keepDims }: Case) =>
    keepDims
      ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
      : shape.filter((_, axis) => !axes.includes(axis))

  function check(it: Case, values: ArrayLike<number>, tolerance = 2e-6): void {
    const { operation = 'sum', shape, axes, dtype = 'float32', layout = 'rows' } = it
    const input = makeView(dtype, shape, { layout, offset: 1 })
    const output = makeView(dtype, keptShape(it), { offset: 2 })
    const written = runner.run(
      [reduce({ input, output, axes, operation })],
      new Map([[input.buffer, bytesOf(input, values)]]),
    )
    const stored = roundedTo(dtype, values)
    const expected = rowsOf(shape, axes).map((row) => references[operation](row.map((index) => stored[index]!)))
    const bytes = written.get(output.buffer)!
    expect(largestError(valuesOf(output, bytes), roundedTo(dtype, expected))).toBeLessThanOrEqual(tolerance)
    expect(bytesTouchedOutside(output, bytes)).toBe(0)
  }

  test.each(Object.keys(references) as Reduction[])('%s of rows, of columns and of both', (operation) => {
    const values = randomValues(6 * 50 * 7, 1, operation === 'logSum' ? 0.1 : -2, 2)
    for (const axes of [[2], [1], [0], [1, 2], [0, 2], [0, 1, 2]])
      check({ operation, shape: [6, 50, 7], axes }, values, operation === 'product' ? 1e-5 : 2e-6)
  })

  test.each<Shape>([
    [3, 1],
    [3, 2],
    [2, 31],
    [40, 33],
    [2, 700],
    [1, 9000],
    [300, 8],
  ])('rows of [%i, %i]', (...shape) => {
    check({ shape, axes: [1] }, randomValues(sizeOf(shape), 3))
    check({ shape, axes: [0] }, randomValues(sizeOf(shape), 4))
    check({ shape, axes: [1], keepDims: true, operation: 'mean' }, randomValues(sizeOf(shape), 5))
  })

  test('averages over the pixels of channels-last images', () => {
    for (const channels of [3, 32, 100]) {
      const shape = [2, channels, 7, 5]
      check({ shape, axes: [2, 3], operation: 'mean', layout: 'channels-last' }, randomValues(sizeOf(shape), 1))
      check(
        { shape, axes: [2, 3], operation: 'max', layout: 'channels-last', dtype: 'float16' },
        randomValues(sizeOf(shape), 2),
      )
      const pitch = channels + 5
      const layout = [35 * pitch, 1, 5 * pitch, pitch]
      check({ shape, axes: [2, 3], operation: 'mean', layout }, randomValues(sizeOf(shape), 3))
    }
  })

  test('copies where no axis is reduced', () => {
    check({ shape: [3, 4], axes: [], operation: 'sum' }, randomValues(12, 1))
  })

  test.each<DType>(['int8', 'uint8', 'int32', 'int64', 'bool'])('keeps %s integers', (dtype) => {
    const values = randomIntegers(4 * 9, 2, 0, dtype === 'bool' ? 1 : 5)
    for (const operation of ['sum', 'max', 'min', 'l1', 'sumOfSquares'] as const) {
      if (dtype === 'bool' && operation !== 'max' && operation !== 'min') continue
      check({ shape: [4, 9], axes: [1], operation, dtype }, values, 0)
    }
  })

  test('sums 64-bit integers exactly', () => {
    const input = makeView('int64', [2, 3])
    const output = makeView('int64', [2])
    const large = 2n ** 62n - 1n
    const bytes = new Uint8Array(BigInt64Array.of(large, 5n, -4n, -large, -7n, 9n).buffer)
    const written = runner.run(
      [reduce({ input, output, axes: [1], operation: 'sum' })],
      new Map([[input.buffer, bytes]]),
    )
    expect([...new BigInt64Array(written.get(output.buffer)!.slice().buffer)]).toEqual([large + 1n, -large + 2n])
  })

  test('reads and writes quantized values', () => {
    const shape = [2, 8, 3, 3]
    const input = makeView('uint8', shape, { layout: 'channels-last' })
    const output = makeView('int8', [2, 8, 1, 1])
    const values = randomIntegers(sizeOf(shape), 1, 0, 255)
    const launch = reduce({
      input,
      output,
      axes: [2, 3],
      operation: 'mean',
      inputQuantization: { scale: 0.5, zeroPoint: 100 },
      outputQuantization: { scale: 0.25, zeroPoint: -3 },
    })
    const written = runner.run([launch], new Map([[input.buffer, bytesOf(input, values)]]))
    const expected = rowsOf(shape, [2, 3]).map((row) => {
      const mean = Math.fround(sum(row.map((index) => (values[index]! - 100) * 0.5)) / 9)
      return Math.min(127, Math.max(-128, Math.round(mean / 0.25) - 3))
    })
    expect([...valuesOf(output, written.get(output.buffer)!)]).toEqual(expected)
  })

  test('passes infinities and NaN on', () => {
    const input = makeView('float32', [3, 4])
    const values = [1, -Infinity, 2, 3, -Infinity, -Infinity, -Infinity, -Infinity, 1, Number.NaN, 2, 5]
    const result = (operation: Reduction) => {
      const output = makeView('float32', [3])
      const written = runner.run(
        [reduce({ input, output, axes: [1], operation })],
        new Map([[input.buffer, bytesOf(input, values)]]),
      )
      return [...valuesOf(output, written.get(output.buffer)!)]
    }
    expect(result('max')).toEqual([3, -Infinity, Number.NaN])
    expect(result('min')).toEqual([-Infinity, -Infinity, Number.NaN])
    expect(result('logSumExp')[1]).toBe(-Infinity)
  })

  test('refuses what is not defined', () => {
    const view = (dtype: DType, shape: Shape) => makeView(dtype, shape)
    const run = (args: Partial<ReduceArgs>) =>
      reduce({ input: view('float32', [2, 3]), output: view('float32', [2]), axes: [1], operation: 'sum', ...args })
    expect(() => run({ axes: [2] })).toThrow('[2]')
    expect(() => run({ output: view('float32', [3]) })).toThrow('[3]')
    expect(() => run({ input: view('int32', [2, 3]), operation: 'l2' })).toThrow('int32')
    expect(() => run({ input: view('float64', [2, 3]) })).toThrow('float64')
  })

  test.each<[Shape, number, ViewOptions['layout']]>([
    [[5, 300], 1, 'rows'],
    [[300, 5], 0, 'rows'],
    [[2, 20, 3, 3], 1, 'channels-last'],
    [[2, 20, 3, 3], 1, 'rows'],
    [[4, 1], 1, 'rows'],
  ])('finds extrema of %o along axis %i, %s', (shape, axis, layout) => {
    for (const dtype of ['float32', 'float16', 'int64', 'uint8'] as const) {
      for (const operation of ['argMax', 'argMin'] as const) {
        for (const selectLast of [false, true]) {
          const input = makeView(dtype, shape, { layout: layout! })
          const output = makeView('int64', shape.with(axis, 1))
          const values = randomIntegers(sizeOf(shape), 1, 0, 12)
          const launch = argReduce({ input, output, axis, operation, selectLast })
          const written = runner.run([launch], new Map([[input.buffer, bytesOf(input, values)]]))
          const expected = rowsOf(shape, [axis]).map((row) => {
            const elements = row.map((index) => values[index]!)
            const best = operation === 'argMax' ? Math.max(...elements) : Math.min(...elements)
            return selectLast ? elements.lastIndexOf(best) : elements.indexOf(best)
          })
          expect([...valuesOf(output, written.get(output.buffer)!)]).toEqual(expected)
        }
      }
    }
  })
})
