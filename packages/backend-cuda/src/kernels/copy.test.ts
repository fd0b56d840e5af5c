import { type DType, type Shape, sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
import type { View } from '../program/view.ts'
import { describeKernels } from '../testing/kernel-runner.ts'
import { bytesOf, bytesTouchedOutside, makeView, randomIntegers, roundedTo, valuesOf } from '../testing/view-values.ts'
import { copy } from './copy.ts'
import { fill } from './fill.ts'

describeKernels('copy', ['copy', 'transpose', 'elementwise'], (runner) => {
  function check(from: View, to: View, kernel: string): void {
    const values = randomIntegers(sizeOf(from.shape), 5, 0, 100)
    const launch = copy(from, to)
    expect(launch.kernel).toBe(kernel)
    const bytes = bytesOf(from, values)
    const written = runner.run([launch], new Map([[from.buffer, bytes]])).get(to.buffer)!
    expect([...valuesOf(to, written)]).toEqual([...roundedTo(to.dtype, valuesOf(from, bytes))])
    expect(bytesTouchedOutside(to, written)).toBe(0)
  }

  const swapped = (view: View): View => ({
    ...view,
    shape: view.shape.toReversed(),
    strides: view.strides.toReversed(),
  })

  test.each<[DType, Shape, string]>([
    ['float32', [2, 3, 4, 4], 'copy_16'],
    ['float16', [5, 4], 'copy_8'],
    ['int8', [3, 6], 'copy_2'],
    ['uint8', [7], 'copy_1'],
    ['bool', [1], 'copy_1'],
    ['int64', [1000], 'copy_16'],
  ])('moves %s %o in the largest units that fit', (dtype, shape, kernel) => {
    check(makeView(dtype, shape), makeView(dtype, shape), kernel)
  })

  test('moves rows between different pitches', () => {
    check(
      makeView('float16', [9, 8], { layout: [16, 1], offset: 8 }),
      makeView('float16', [9, 8], { layout: [8, 1] }),
      'copy_16',
    )
    check(
      makeView('float16', [9, 8], { layout: [16, 1], offset: 2 }),
      makeView('float16', [9, 8], { layout: [8, 1] }),
      'copy_4',
    )
    check(makeView('float16', [9, 8], { layout: [9, 1] }), makeView('float16', [9, 8], { layout: [8, 1] }), 'copy_2')
  })

  test('repeats what is broadcast, and goes backwards', () => {
    check(makeView('float32', [4, 3, 4], { layout: [0, 4, 1] }), makeView('float32', [4, 3, 4]), 'copy_16')
    check({ ...makeView('float32', [6]), strides: [-1], offset: 5 }, makeView('float32', [6]), 'copy_4')
  })

  test.each<[DType, string]>([
    ['uint8', 'transpose_1'],
    ['float16', 'transpose_2'],
    ['float32', 'transpose_4'],
    ['int64', 'transpose_8'],
  ])('transposes %s in tiles', (dtype, kernel) => {
    for (const shape of [
      [8, 8],
      [70, 33],
      [64, 129],
    ])
      check(swapped(makeView(dtype, shape, { offset: 3 })), makeView(dtype, shape.toReversed()), kernel)
  })

  test('brings channels last and back, in batches and with padding', () => {
    const shape = [3, 40, 9, 7]
    check(makeView('float16', shape), makeView('float16', shape, { layout: 'channels-last' }), 'transpose_2')
    check(makeView('float16', shape, { layout: 'channels-last' }), makeView('float16', shape), 'transpose_2')
    const padded = makeView('float32', shape, { layout: [63 * 48, 1, 7 * 48, 48], offset: 5 })
    check(makeView('float32', shape), padded, 'transpose_4')
    check(padded, makeView('float32', shape), 'transpose_4')
  })

  test('brings few channels last without tiles', () => {
    check(makeView('uint8', [1, 3, 9, 8]), makeView('uint8', [1, 3, 9, 8], { layout: 'channels-last' }), 'copy_1')
  })

  test('transposes and converts in one pass', () => {
    const shape = [2, 16, 5, 7]
    check(makeView('float32', shape), makeView('float16', shape, { layout: 'channels-last' }), 'transpose_convert')
    check(makeView('float16', shape, { layout: 'channels-last' }), makeView('float32', shape), 'transpose_convert')
    check(makeView('uint8', shape), makeView('float16', shape, { layout: 'channels-last' }), 'transpose_convert')
  })

  test('converts, in the type that holds every value', () => {
    check(makeView('float32', [33]), makeView('float16', [33]), 'elementwise_float32')
    check(makeView('int64', [33]), makeView('int32', [33]), 'elementwise_int64')
    check(makeView('int32', [33]), makeView('float64', [33]), 'elementwise_float64')
    check(makeView('float32', [3, 5]), makeView('int64', [3, 5]), 'elementwise_float32')
  })

  test('moves integers of one size as they are', () => {
    check(makeView('int32', [8]), makeView('uint32', [8]), 'copy_16')
  })

  test('walks over eight axes', () => {
    const shape = new Array(8).fill(2)
    const from = swapped(makeView('float32', shape))
    check(from, makeView('float32', shape), 'copy_4')
  })

  test('wants one shape', () => {
    expect(() => copy(makeView('float32', [3]), makeView('float32', [4]))).toThrow('[3] and [4]')
  })

  test.each<[DType, number]>([
    ['float32', 1.5],
    ['float16', -2],
    ['int64', -7],
    ['uint8', 255],
    ['bool', 1],
  ])('fills %s with %d', (dtype, value) => {
    const view = makeView(dtype, [3, 5], { layout: [8, 1], offset: 2 })
    const written = runner.run([fill(view, value)], new Map()).get(view.buffer)!
    expect([...valuesOf(view, written)]).toEqual(new Array(15).fill(value))
    expect(bytesTouchedOutside(view, written)).toBe(0)
  })
})
