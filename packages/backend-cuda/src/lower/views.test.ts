import type { Shape } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { channelsLastStrides, rowMajorStrides, type View } from '../program/view.ts'
import { axisOrder, hasLayout, pixelPitch, stridesFor } from './layout.ts'
import { broadcastView, reshapeView, sameView, sliceView, transposeView } from './views.ts'

const buffer = { kind: 'temporary', name: 'x', sizeBytes: 1 << 20 } as const

function view(shape: Shape, strides: readonly number[] = rowMajorStrides(shape), offset = 0): View {
  return { buffer, dtype: 'float32', shape, strides, offset }
}

/** Places of the elements in row-major order. */
function placesOf({ shape, strides, offset }: View): number[] {
  let places = [offset]
  for (const [axis, size] of shape.entries()) {
    places = places.flatMap((place) => Array.from({ length: size }, (_, index) => place + index * strides[axis]!))
  }
  return places
}

describe('reshapeView', () => {
  const cases: [string, View, Shape, boolean][] = [
    ['splits and joins axes of a dense tensor', view([2, 3, 4]), [6, 2, 2], true],
    ['adds and drops axes of size 1', view([2, 1, 3]), [1, 2, 3, 1], true],
    ['splits an axis of a slice', sliceView(view([4, 6]), 1, 2, 4), [4, 2, 2], true],
    ['cannot join axes of a slice', sliceView(view([4, 6]), 1, 2, 4), [16], false],
    ['joins the leading axes of a slice of the last one', sliceView(view([2, 3, 8]), 2, 0, 4), [6, 4], true],
    ['cannot join transposed axes', transposeView(view([2, 3]), [1, 0]), [6], false],
    ['splits heads off a transposed tensor', transposeView(view([5, 12]), [1, 0]), [3, 4, 5], true],
    ['flattens channels-last with one pixel', view([2, 8, 1, 1], channelsLastStrides([2, 8, 1, 1])), [2, 8], true],
    ['cannot flatten channels-last pixels', view([2, 8, 3, 3], channelsLastStrides([2, 8, 3, 3])), [2, 72], false],
    ['splits a reversed axis', sliceView(view([6]), 0, 5, 6, -1), [2, 3], true],
    ['joins repeated axes', broadcastView(view([1, 1, 4]), [2, 3, 4]), [6, 4], true],
    ['makes a scalar a list', view([]), [1, 1], true],
    ['takes tensors without elements', view([2, 0]), [0, 5], true],
    ['cannot regroup across an uneven border', sliceView(view([4, 6]), 1, 0, 3), [2, 6], false],
  ]
  it.each(cases)('%s', (_, source, shape, possible) => {
    const reshaped = reshapeView(source, shape)
    expect(reshaped !== undefined).toBe(possible)
    if (reshaped) expect(placesOf(reshaped)).toEqual(placesOf(source))
  })
})

describe('the layout of a view', () => {
  it('is followed by a dense tensor of the same axis order', () => {
    for (const order of [
      [0, 2, 3, 1],
      [0, 1, 2, 3],
      [3, 0, 2, 1],
    ]) {
      const dense = view([2, 3, 4, 5], stridesFor([2, 3, 4, 5], order))
      expect(axisOrder(dense)).toEqual(order)
      expect(hasLayout(dense, order)).toBe(true)
    }
  })

  it('is channels-last also where an axis has one element', () => {
    const shape = [1, 3, 4, 5]
    const dense = view(shape, channelsLastStrides(shape))
    expect(stridesFor(shape, axisOrder(dense))).toEqual(channelsLastStrides(shape))
  })

  it('gives a pitch where pixels are evenly spaced', () => {
    const shape = [2, 4, 3, 3]
    const dense = view(shape, channelsLastStrides(shape))
    expect(pixelPitch(dense)).toBe(4)
    expect(pixelPitch(sliceView(dense, 1, 1, 2))).toBe(4)
    expect(pixelPitch(sliceView(dense, 3, 0, 2))).toBeUndefined()
    expect(pixelPitch(view(shape))).toBeUndefined()
    expect(pixelPitch(view([2, 1, 3, 3]))).toBe(1)
    expect(pixelPitch(view([1, 4, 1, 1]))).toBe(4)
  })
})

it('compares views by where their elements lie', () => {
  expect(sameView(view([1, 4], [99, 1]), view([1, 4]))).toBe(true)
  expect(sameView(view([2, 4], [99, 1]), view([2, 4]))).toBe(false)
  expect(sameView(view([4], [1], 3), sliceView(view([9]), 0, 3, 4))).toBe(true)
})
