import { type DType, type Shape, sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
import { describeKernels } from '../testing/kernel-runner.ts'
import {
  bytesOf,
  bytesTouchedOutside,
  makeView,
  randomIntegers,
  type ViewOptions,
  valuesOf,
} from '../testing/view-values.ts'
import { type PadArgs, pad } from './pad.ts'

/** Pads one axis after the other. */
function reference(
  values: readonly number[],
  shape: Shape,
  pads: readonly (readonly [number, number])[],
  mode: PadArgs['mode'],
  value: number,
) {
  let current = { values: [...values], shape: [...shape] }
  for (const [axis, [before, after]] of pads.entries()) {
    const size = current.shape[axis]!
    const padded = current.shape.with(axis, size + before + after)
    const inner = sizeOf(padded.slice(axis + 1))
    const result = Array.from({ length: sizeOf(padded) }, (_, index) => {
      const outer = Math.floor(index / (inner * padded[axis]!))
      let place = (Math.floor(index / inner) % padded[axis]!) - before
      if (mode === 'constant' && (place < 0 || place >= size)) return value
      if (mode === 'edge') place = Math.min(size - 1, Math.max(0, place))
      if (mode === 'wrap') place = ((place % size) + size) % size
      while (mode === 'reflect' && (place < 0 || place >= size))
        place = size === 1 ? 0 : place < 0 ? -place : 2 * (size - 1) - place
      return current.values[(outer * size + place) * inner + (index % inner)]!
    })
    current = { values: result, shape: padded }
  }
  return current
}

describeKernels('pad', ['pad'], (runner) => {
  interface Case {
    readonly dtype?: DType
    readonly shape: Shape
    /** Before and after, per axis. */
    readonly pads: readonly (readonly [number, number])[]
    readonly mode?: PadArgs['mode']
    readonly value?: number
    readonly layout?: ViewOptions['layout']
    readonly kernel?: string
  }

  function check({
    dtype = 'float32',
    shape,
    pads,
    mode = 'constant',
    value = 0,
    layout = 'rows',
    kernel,
  }: Case): void {
    const values = randomIntegers(sizeOf(shape), 1, 1, 100)
    const expected = reference([...values], shape, pads, mode, value)
    const input = makeView(dtype, shape, { layout })
    const output = makeView(dtype, expected.shape, { layout })
    const launch = pad({ input, output, padsBefore: pads.map(([before]) => before), mode, value })
    if (kernel) expect(launch.kernel).toBe(kernel)
    const written = runner.run([launch], new Map([[input.buffer, bytesOf(input, values)]])).get(output.buffer)!
    expect([...valuesOf(output, written)]).toEqual(expected.values)
    expect(bytesTouchedOutside(output, written)).toBe(0)
  }

  const image: Case = {
    shape: [2, 4, 5, 6],
    pads: [
      [0, 0],
      [0, 0],
      [1, 2],
      [3, 1],
    ],
  }

  test.each(['constant', 'reflect', 'edge', 'wrap'] as const)('%s, rows and channels last', (mode) => {
    check({ ...image, mode, value: 7 })
    check({ ...image, mode, value: 7, layout: 'channels-last', kernel: 'pad_16' })
    check({ ...image, mode, value: 7, layout: 'channels-last', dtype: 'float16', kernel: 'pad_8' })
  })

  test.each<[DType, number]>([
    ['float16', -1.5],
    ['int8', -7],
    ['uint8', 200],
    ['bool', 1],
    ['int32', -70000],
    ['int64', -5],
    ['float64', 0.1],
  ])('fills %s with %d', (dtype, value) => {
    check({
      dtype,
      value,
      shape: [3, 5],
      pads: [
        [1, 1],
        [2, 0],
      ],
    })
    check({
      dtype,
      value,
      shape: [3, 16],
      pads: [
        [1, 1],
        [16, 0],
      ],
    })
  })

  test('more channels, in units', () => {
    check({
      shape: [1, 8, 3, 3],
      pads: [
        [0, 0],
        [0, 8],
        [0, 0],
        [0, 0],
      ],
      layout: 'channels-last',
      kernel: 'pad_16',
    })
    check({
      shape: [1, 3, 3, 3],
      pads: [
        [0, 0],
        [0, 1],
        [0, 0],
        [0, 0],
      ],
      layout: 'channels-last',
      kernel: 'pad_4',
    })
  })

  test('removes elements, also down to one', () => {
    check({
      shape: [4, 6],
      pads: [
        [-1, -1],
        [-2, 3],
      ],
    })
    check({
      shape: [4, 6],
      pads: [
        [-2, -1],
        [0, 0],
      ],
    })
  })

  test('reflects back and forth', () => {
    check({ shape: [3], pads: [[7, 9]], mode: 'reflect' })
    check({
      shape: [1, 2],
      pads: [
        [2, 1],
        [5, 5],
      ],
      mode: 'reflect',
    })
    check({ shape: [3], pads: [[7, 9]], mode: 'wrap' })
  })

  test('nothing, of a scalar and of a tensor', () => {
    check({ shape: [], pads: [] })
    check({
      shape: [3, 4],
      pads: [
        [0, 0],
        [0, 0],
      ],
      kernel: 'pad_16',
    })
  })
})
