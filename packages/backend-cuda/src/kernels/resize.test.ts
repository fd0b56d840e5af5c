import { type DType, type Shape, sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
import { describeKernels } from '../testing/kernel-runner.ts'
import { largestError } from '../testing/row-reference.ts'
import {
  bytesOf,
  bytesTouchedOutside,
  makeView,
  randomIntegers,
  roundedTo,
  type ViewOptions,
  valuesOf,
} from '../testing/view-values.ts'
import { resize } from './resize.ts'
import { type ResizeAxisArgs, type ResizeTaps, resizeTaps } from './resize-taps.ts'

interface Case {
  readonly shape: Shape
  /** New sizes by axis. */
  readonly sizes: Readonly<Record<number, number>>
  readonly rest?: Partial<ResizeAxisArgs>
  readonly dtype?: DType
  readonly layout?: ViewOptions['layout']
}

/** Resizes one axis after the other. */
function reference(values: readonly number[], shape: Shape, tables: ReadonlyMap<number, ResizeTaps>, outside: number) {
  let current = { values: [...values], shape: [...shape] }
  for (const [axis, { taps, indices, weights }] of tables) {
    const size = indices.length / taps
    const to = current.shape.with(axis, size)
    const inner = sizeOf(to.slice(axis + 1))
    const result = Array.from({ length: sizeOf(to) }, (_, index) => {
      const outer = Math.floor(index / (inner * size))
      const place = Math.floor(index / inner) % size
      let sum = 0
      for (let tap = 0; tap < taps; tap++) {
        const from = indices[place * taps + tap]!
        if (from < 0) return outside
        const value = current.values[(outer * current.shape[axis]! + from) * inner + (index % inner)]!
        if (value === outside) return outside
        sum += value * weights[place * taps + tap]!
      }
      return sum
    })
    current = { values: result, shape: to }
  }
  return current
}

describeKernels('resize', ['resize'], (runner) => {
  function check(
    { shape, sizes, rest = {}, dtype = 'float32', layout = 'channels-last' }: Case,
    vectors?: boolean,
  ): void {
    const values = randomIntegers(sizeOf(shape), 2, 0, 100)
    const tables = new Map(
      Object.entries(sizes).map(([key, outputSize]): [number, ResizeTaps] => {
        const inputSize = shape[Number(key)]!
        const scale = outputSize / inputSize
        return [
          Number(key),
          resizeTaps({ inputSize, outputSize, scale, mode: 'nearest', coordinates: 'half_pixel', ...rest }),
        ]
      }),
    )
    const expected = reference([...values], shape, tables, -1000)
    const input = makeView(dtype, shape, { layout })
    const output = makeView(dtype, expected.shape, { layout })
    const contents = new Map([[input.buffer, bytesOf(input, values)]])
    const axes = [...tables].map(([axis, { taps, indices, weights }]) => {
      const tableShape = [indices.length / taps, taps]
      const views = { indices: makeView('int32', tableShape), weights: makeView('float32', tableShape) }
      contents.set(views.indices.buffer, bytesOf(views.indices, indices))
      contents.set(views.weights.buffer, bytesOf(views.weights, weights))
      return { axis, ...views }
    })
    const launch = resize({ input, output, axes, extrapolationValue: -1000 })
    if (vectors !== undefined) expect(launch.tactic.includes('four')).toBe(vectors)
    const written = runner.run([launch], contents).get(output.buffer)!
    const tolerance = rest.mode && rest.mode !== 'nearest' ? (dtype === 'float16' ? 1e-3 : 1e-6) : 0
    expect(largestError(valuesOf(output, written), roundedTo(dtype, expected.values))).toBeLessThanOrEqual(tolerance)
    expect(bytesTouchedOutside(output, written)).toBe(0)
  }

  test.each<DType>(['float32', 'float16', 'int8', 'uint8'])('nearest values of %s', (dtype) => {
    check({ dtype, shape: [2, 8, 3, 5], sizes: { 2: 6, 3: 10 } }, true)
    check({ dtype, shape: [1, 3, 4, 5], sizes: { 2: 7, 3: 3 } }, false)
    check({ dtype, shape: [1, 4, 4, 8], sizes: { 2: 8 }, layout: 'rows' }, true)
  })

  test.each<DType>(['float32', 'float16'])('linear and cubic, %s', (dtype) => {
    for (const mode of ['linear', 'cubic'] as const) {
      check({ dtype, shape: [1, 8, 5, 7], sizes: { 2: 10, 3: 11 }, rest: { mode } }, true)
      check(
        { dtype, shape: [1, 3, 5, 7], sizes: { 2: 4, 3: 3 }, rest: { mode, antialias: true }, layout: 'rows' },
        false,
      )
    }
  })

  test('one axis, and three', () => {
    check({ shape: [2, 4, 9], sizes: { 2: 5 }, rest: { mode: 'linear' } })
    check({ shape: [1, 4, 3, 4, 5], sizes: { 2: 6, 3: 6, 4: 7 }, rest: { mode: 'linear' } }, true)
    check({ shape: [4, 5], sizes: { 0: 8, 1: 3 }, rest: { mode: 'cubic' } })
  })

  test('what is outside of the cropped region', () => {
    const rest = { mode: 'linear', coordinates: 'tf_crop_and_resize', region: [0.3, 1.4] } as const
    check({ shape: [1, 4, 5, 6], sizes: { 2: 7, 3: 4 }, rest })
  })

  test('refuses what tables and shapes do not say', () => {
    const input = makeView('int8', [1, 4, 2])
    const output = makeView('int8', [1, 4, 4])
    const tables = (taps: number) => ({
      axis: 2,
      indices: makeView('int32', [4, taps]),
      weights: makeView('float32', [4, taps]),
    })
    expect(() => resize({ input, output, axes: [tables(2)] })).toThrow('nearest')
    expect(() => resize({ input, output: makeView('int8', [1, 5, 4]), axes: [tables(1)] })).toThrow('Axis 1')
    expect(() => resize({ input, output, axes: [] })).toThrow('One to three')
  })
})
