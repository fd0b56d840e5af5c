import { expect, it } from 'vitest'
import type { GraphBuilder } from '../build/graph-builder.ts'
import type { Value } from '../graph/value.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { mergeSpaceToDepth } from './merge-space-to-depth.ts'

const END = 2 ** 63 - 1024 // the largest double below "to the end"

interface Cut {
  readonly axis: number
  readonly start: number
  readonly step?: number
  readonly end?: number
}

function slice(g: GraphBuilder, x: Value, { axis, start, step = 2, end = END }: Cut): Value {
  return g.op('Slice', [x, ...[[start], [end], [axis], [step]].map((list, i) => g.int64(`slice${i}`, list))])
}

/** Blocks of 2 x 2 pixels as YOLO moves them into channels: columns outermost. */
function blocks(g: GraphBuilder, x: Value, order = [0, 1, 2, 3]): Value {
  const rows = [0, 1].map((start) => slice(g, x, { axis: 2, start }))
  const pixels = [0, 1].flatMap((start) => rows.map((row) => slice(g, row, { axis: -1, start })))
  return g.op(
    'Concat',
    order.map((index) => pixels[index]!),
    { axis: 1 },
  )
}

/** A convolution of what `body` makes of an image [batch, 2, 8, 6], with so many channels. */
function conv(body: (g: GraphBuilder, x: Value) => Value, channels = 8, attributes: object = { pads: [1, 1, 1, 1] }) {
  return (g: GraphBuilder) => {
    const moved = body(g, g.input('x', 'float32', ['batch', 2, 8, 6]))
    const y = g.op('Conv', [moved, g.weights('w', [3, channels, 3, 3], 0.3), g.weights('b', [3], 1)], { ...attributes })
    g.output('y', y, 'float32', ['batch', 3, 'height', 'width'])
  }
}

it.each<[string, object]>([
  ['padding', { pads: [1, 1, 1, 1] }],
  ['other padding on each side', { pads: [0, 1, 2, 1], kernel_shape: [3, 3] }],
  ['strides', { strides: [1, 2], pads: [1, 1, 1, 1] }],
  ['no padding', {}],
  ['no padding by name', { auto_pad: 'VALID' }],
])('reads pixels where slices move blocks of them into channels: %s', async (_, attributes) => {
  const { operators, graph } = await applyPass(mergeSpaceToDepth, conv(blocks, 8, attributes))
  expect(operators).toBe('Conv')
  expect(graph.nodes[0]!.inputs[1]!.shape).toEqual([3, 2, 6, 6])
})

it('takes the blocks in any order', async () => {
  const { operators } = await applyPass(
    mergeSpaceToDepth,
    conv((g, x) => blocks(g, x, [3, 0, 2, 1])),
  )
  expect(operators).toBe('Conv')
})

it('takes blocks along one axis, and slices of slices', async () => {
  const thirds = (g: GraphBuilder, x: Value) =>
    g.op(
      'Concat',
      [0, 1, 2].map((start) => slice(g, x, { axis: 3, start, step: 3, end: 6 })),
      { axis: -3 },
    )
  expect((await applyPass(mergeSpaceToDepth, conv(thirds, 6))).operators).toBe('Conv')
  const fourths = (g: GraphBuilder, x: Value) => {
    const halves = [0, 1].map((start) => slice(g, x, { axis: 2, start }))
    return g.op(
      'Concat',
      [0, 1].flatMap((start) => halves.map((half) => slice(g, half, { axis: 2, start }))),
      { axis: 1 },
    )
  }
  expect((await applyPass(mergeSpaceToDepth, conv(fourths))).operators).toBe('Conv')
})

it('reads pixels in front of SpaceToDepth', async () => {
  const { operators } = await applyPass(
    mergeSpaceToDepth,
    conv((g, x) => g.op('SpaceToDepth', [x], { blocksize: 2 })),
  )
  expect(operators).toBe('Conv')
})

it.each<[string, (g: GraphBuilder) => void]>([
  ['some pixels are missing', conv((g, x) => blocks(g, x, [0, 1, 2]), 6)],
  ['some are there twice', conv((g, x) => blocks(g, x, [0, 1, 2, 2]))],
  ['a slice ends early', conv((g, x) => halves(g, x, 4), 4)],
  ['a slice begins later than its step', conv((g, x) => halves(g, x, END, 2), 4)],
  [
    'channels are sliced',
    conv(
      (g, x) =>
        g.op(
          'Concat',
          [0, 1].map((start) => slice(g, x, { axis: 1, start })),
          { axis: 1 },
        ),
      2,
    ),
  ],
  ['the convolution has holes', conv(blocks, 8, { dilations: [2, 1], pads: [2, 1, 2, 1] })],
  ['padding depends on the size', conv(blocks, 8, { auto_pad: 'SAME_UPPER' })],
  ['the blocks are joined along another axis', conv((g, x) => g.op('Concat', [x, x], { axis: 2 }), 2)],
])('leaves a convolution where %s', async (_, build) => {
  expect((await applyPass(mergeSpaceToDepth, build)).changes).toBe(0)
})

it('leaves blocks that are read elsewhere, and a convolution with groups', async () => {
  const { changes } = await applyPass(mergeSpaceToDepth, (g) => {
    const moved = blocks(g, g.input('x', 'float32', [1, 2, 8, 6]))
    g.output('y', g.op('Conv', [moved, g.weights('w', [3, 8, 1, 1], 1)]), 'float32', [1, 3, 4, 3])
    g.output('z', g.op('Neg', [moved]), 'float32', [1, 8, 4, 3])
    const grouped = blocks(g, g.input('u', 'float32', [1, 2, 8, 6]))
    g.output('v', g.op('Conv', [grouped, g.weights('k', [4, 2, 1, 1], 1)], { group: 4 }), 'float32', [1, 4, 4, 3])
  })
  expect(changes).toBe(0)
})

/** Columns in two halves: even ones, and odd ones up to `end`. */
function halves(g: GraphBuilder, x: Value, end: number, start = 0): Value {
  const first = slice(g, x, { axis: 2, start, end })
  return g.op('Concat', [first, slice(g, x, { axis: 2, start: start + 1, end })], { axis: 1 })
}
