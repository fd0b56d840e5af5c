import { type DType, type Shape, sizeOf } from '@lowlat/core'
import { expect, test } from 'vitest'
import type { Launch } from '../program/launch.ts'
import { runStatus, statusBuffer } from '../program/status.ts'
import type { View } from '../program/view.ts'
import { describeKernels } from '../testing/kernel-runner.ts'
import {
  bytesOf,
  bytesTouchedOutside,
  makeView,
  randomIntegers,
  type ViewOptions,
  valuesOf,
} from '../testing/view-values.ts'
import { gather, gatherElements, gatherNd } from './gather.ts'
import { scatterElements, scatterNd } from './scatter.ts'

/** The place of a row-major index along each axis. */
function placesOf(index: number, shape: Shape): number[] {
  const places: number[] = []
  for (let axis = shape.length - 1, rest = index; axis >= 0; axis--) {
    places.unshift(rest % shape[axis]!)
    rest = Math.floor(rest / shape[axis]!)
  }
  return places
}

const indexOf = (places: readonly number[], shape: Shape) =>
  places.reduce((index, place, axis) => index * shape[axis]! + place, 0)

describeKernels('gather and scatter', ['indexed'], (runner) => {
  /** A view of pseudo-random whole numbers. */
  function filled(dtype: DType, shape: Shape, [low, high]: readonly [number, number], options: ViewOptions = {}) {
    const view = makeView(dtype, shape, options)
    return { view, values: randomIntegers(sizeOf(shape), 11, low, high) }
  }

  type Filled = ReturnType<typeof filled>

  function run(launch: Launch, output: View, ...contents: Filled[]): { values: number[]; status: number } {
    const bytes = new Map(contents.map(({ view, values }) => [view.buffer, bytesOf(view, values)]))
    const written = runner.run([launch], bytes.set(statusBuffer, new Uint8Array(4)))
    expect(bytesTouchedOutside(output, written.get(output.buffer)!)).toBe(0)
    return { values: [...valuesOf(output, written.get(output.buffer)!)], status: written.get(statusBuffer)![0]! }
  }

  const wrap = (index: number, size: number) => (index < 0 ? index + size : index)

  test.each<[Shape, Shape, number, DType, string]>([
    [[10, 64], [2, 7], 0, 'float32', 'gather_16'],
    [[10, 6], [3], 0, 'float16', 'gather_4'],
    [[3, 10, 5], [4], 1, 'int8', 'gather_1'],
    [[3, 10], [2, 2], 1, 'int64', 'gather_8'],
    [[5, 4], [], 0, 'uint8', 'gather_4'],
    [[2, 3, 4, 8], [2], 3, 'bool', 'gather_1'],
  ])('gathers from %o by %o along %i: %s', (shape, indexShape, axis, dtype, kernel) => {
    for (const indexType of ['int64', 'int32'] as const) {
      const size = shape[axis]!
      const data = filled(dtype, shape, [0, dtype === 'bool' ? 1 : 100])
      const indices = filled(indexType, indexShape, [-size, size - 1])
      const outputShape = [...shape.slice(0, axis), ...indexShape, ...shape.slice(axis + 1)]
      const output = makeView(dtype, outputShape)
      const launch = gather({ data: data.view, indices: indices.view, output, axis })
      expect(launch.kernel).toBe(kernel)
      const { values, status } = run(launch, output, data, indices)
      const expected = Array.from({ length: sizeOf(outputShape) }, (_, index) => {
        const places = placesOf(index, outputShape)
        const chosen = indices.values[indexOf(places.slice(axis, axis + indexShape.length), indexShape)]!
        const from = [...places.slice(0, axis), wrap(chosen, size), ...places.slice(axis + indexShape.length)]
        return data.values[indexOf(from, shape)]
      })
      expect(values).toEqual(expected)
      expect(status).toBe(0)
    }
  })

  test('gathers from and to any strides', () => {
    const data = filled('float32', [2, 8, 3, 5], [0, 100], { layout: 'channels-last', offset: 3 })
    const indices = filled('int64', [4], [0, 2])
    const output = makeView('float32', [2, 8, 4, 5], { layout: 'channels-last' })
    const { values } = run(gather({ data: data.view, indices: indices.view, output, axis: 2 }), output, data, indices)
    const expected = values.map((_, index) => {
      const [n, c, h, w] = placesOf(index, [2, 8, 4, 5])
      return data.values[indexOf([n!, c!, indices.values[h!]!, w!], [2, 8, 3, 5])]
    })
    expect(values).toEqual(expected)
  })

  test.each([0, 1, 2])('gathers elements along axis %i', (axis) => {
    const shape = [4, 5, 6]
    const data = filled('float16', shape, [0, 100])
    const indices = filled('int64', [3, 4, 5], [-shape[axis]!, shape[axis]! - 1])
    const output = makeView('float16', [3, 4, 5])
    const { values } = run(
      gatherElements({ data: data.view, indices: indices.view, output, axis }),
      output,
      data,
      indices,
    )
    const expected = values.map((_, index) => {
      const places = placesOf(index, [3, 4, 5])
      return data.values[indexOf(places.with(axis, wrap(indices.values[index]!, shape[axis]!)), shape)]
    })
    expect(values).toEqual(expected)
  })

  test.each([
    [[4, 5, 8], [3, 2], 0],
    [[4, 5, 8], [3, 1], 0],
    [[4, 5, 6], [2, 2, 3], 0],
    [[2, 5, 6, 4], [2, 3, 2], 1],
  ])('gathers from %o by coordinates of %o, %i axes of a batch', (shape, indexShape, batchDims) => {
    const count = indexShape.at(-1)!
    const data = filled('float32', shape, [0, 1000])
    const indices = filled('int64', indexShape, [-4, 3])
    const outputShape = [...indexShape.slice(0, -1), ...shape.slice(batchDims + count)]
    const output = makeView('float32', outputShape)
    const launch = gatherNd({ data: data.view, indices: indices.view, output, batchDims })
    const { values, status } = run(launch, output, data, indices)
    const expected = values.map((_, index) => {
      const places = placesOf(index, outputShape)
      const row = indexOf(places.slice(0, indexShape.length - 1), indexShape.slice(0, -1))
      const coordinates = Array.from({ length: count }, (_, i) =>
        wrap(indices.values[row * count + i]!, shape[batchDims + i]!),
      )
      const from = [...places.slice(0, batchDims), ...coordinates, ...places.slice(indexShape.length - 1)]
      return data.values[indexOf(from, shape)]
    })
    expect(values).toEqual(expected)
    expect(status).toBe(0)
  })

  test('scatters elements over what is there', () => {
    const output = filled('int32', [4, 6], [100, 200])
    const updates = filled('int32', [4, 3], [0, 50])
    const indices = { view: makeView('int64', [4, 3]), values: [0, -1, 2, 5, 4, 3, 1, 0, -3, 2, 3, 4] }
    const launch = scatterElements({
      updates: updates.view,
      indices: indices.view as View,
      output: output.view,
      axis: 1,
    })
    const all = [output, updates, indices as unknown as Filled]
    const expected = [...output.values]
    for (const [index, place] of indices.values.entries())
      expected[Math.floor(index / 3) * 6 + wrap(place, 6)] = updates.values[index]!
    expect(run(launch, output.view, ...all).values).toEqual(expected)
    expect(launch.reads).toContain(output.view.buffer)
  })

  test('scatters slices by coordinates', () => {
    const output = filled('float32', [4, 5, 8], [100, 200])
    const updates = filled('float32', [3, 8], [0, 50])
    const indices = { view: makeView('int64', [3, 2]), values: [0, 1, 3, -1, -2, 2] }
    const launch = scatterNd({ updates: updates.view, indices: indices.view, output: output.view })
    expect(launch.kernel).toBe('scatter_16')
    const expected = [...output.values]
    for (const [row, [a, b]] of [
      [0, 1],
      [3, 4],
      [2, 2],
    ].entries())
      for (let i = 0; i < 8; i++) expected[(a! * 5 + b!) * 8 + i] = updates.values[row * 8 + i]!
    expect(run(launch, output.view, output, updates, indices as unknown as Filled).values).toEqual(expected)
  })

  test.each([3, -4, 2 ** 40])('notes that index %d lies outside, and touches nothing there', (index) => {
    const data = filled('float32', [3, 4], [0, 9])
    const indices = { view: makeView('int64', [2]), values: [1, index] } as unknown as Filled
    const output = makeView('float32', [2, 4])
    const launch = gather({ data: data.view, indices: indices.view, output, axis: 0 })
    expect(run(launch, output, data, indices).status).toBe(runStatus.indexOutOfRange)
    expect(launch.writes).toContain(statusBuffer)
    const target = filled('float32', [3, 4], [0, 9])
    const updates = filled('float32', [2, 4], [10, 20])
    const scatter = scatterNd({
      updates: updates.view,
      indices: { ...indices.view, shape: [2, 1], strides: [1, 1] },
      output: target.view,
    })
    const { status, values } = run(scatter, target.view, target, updates, indices)
    expect(status).toBe(runStatus.indexOutOfRange)
    expect(values.slice(0, 4)).toEqual([...target.values.slice(0, 4)])
    expect(values.slice(8)).toEqual([...target.values.slice(8)])
  })

  test('refuses what does not fit together', () => {
    const data = makeView('float32', [3, 4])
    const indices = makeView('int64', [2])
    expect(() => gather({ data, indices, output: makeView('float32', [3, 4]), axis: 0 })).toThrow('[2,4]')
    expect(() => gather({ data, indices, output: makeView('float16', [2, 4]), axis: 0 })).toThrow('float16')
    const floats = makeView('float32', [2])
    expect(() => gather({ data, indices: floats, output: makeView('float32', [2, 4]), axis: 0 })).toThrow('int64')
  })
})
