import { type DType, type Shape, sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
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
import { softmax } from './softmax.ts'

function reference(values: ArrayLike<number>, shape: Shape, axes: readonly number[], logarithm: boolean): Float64Array {
  const result = new Float64Array(values.length)
  for (const row of rowsOf(shape, axes)) {
    const top = Math.max(...row.map((index) => values[index]!))
    const sum = row.reduce((total, index) => total + Math.exp(values[index]! - top), 0)
    for (const index of row) {
      const shifted = values[index]! - top
      result[index] = logarithm ? shifted - Math.log(sum) : Math.exp(shifted) / sum
    }
  }
  return result
}

describeKernels('softmax', ['softmax'], (runner) => {
  interface Case {
    readonly shape: Shape
    readonly axes: readonly number[]
    readonly dtype?: DType
    readonly layout?: ViewOptions['layout']
    readonly outputLayout?: ViewOptions['layout']
    readonly values?: ArrayLike<number>
  }

  function check({ shape, axes, dtype = 'float32', layout = 'rows', outputLayout = 'rows', values }: Case): void {
    const elements = roundedTo(dtype, values ?? randomValues(sizeOf(shape), 3, -6, 6))
    for (const logarithm of [false, true]) {
      const input = makeView(dtype, shape, { layout, offset: 1 })
      const output = makeView(dtype, shape, { layout: outputLayout })
      const launch = softmax({ input, output, axes, logarithm })
      const written = runner.run([launch], new Map([[input.buffer, bytesOf(input, elements)]])).get(output.buffer)!
      const expected = reference(elements, shape, axes, logarithm)
      expect(largestError(valuesOf(output, written), expected)).toBeLessThanOrEqual(dtype === 'float16' ? 1e-3 : 2e-6)
      expect(bytesTouchedOutside(output, written)).toBe(0)
    }
  }

  test.each([1, 2, 5, 32, 33, 197, 1000, 1001])('rows of %i', (length) => {
    check({ shape: [3, length], axes: [1] })
    check({ shape: [3, length], axes: [1], dtype: 'float16' })
  })

  test('rows that registers do not hold', () => {
    check({ shape: [2, 5000], axes: [1] })
  })

  test.each([
    [[2, 21, 5, 3], [1]],
    [[4, 70, 3], [1]],
    [
      [3, 4, 5],
      [1, 2],
    ],
    [
      [3, 4, 5],
      [0, 2],
    ],
  ])('of %o along %o, whatever lies next to what', (shape, axes) => {
    check({ shape, axes })
    if (shape.length === 4) check({ shape, axes, layout: 'channels-last', outputLayout: 'channels-last' })
    if (shape.length === 4) check({ shape, axes, layout: 'rows', outputLayout: 'channels-last' })
  })

  test('does not overflow, and gives 0 for what is masked', () => {
    check({ shape: [2, 4], axes: [1], values: [1e4, 9.99e3, -1e4, -1e4, -Infinity, 3, 3, -Infinity] })
  })

  test('in place', () => {
    const view = makeView('float32', [9, 100])
    const values = roundedTo('float32', randomValues(900, 1))
    const written = runner.run(
      [softmax({ input: view, output: view, axes: [1] })],
      new Map([[view.buffer, bytesOf(view, values)]]),
    )
    const expected = reference(values, [9, 100], [1], false)
    expect(largestError(valuesOf(view, written.get(view.buffer)!), expected)).toBeLessThanOrEqual(2e-6)
  })
})
