import { createBackend } from '@lowlat/backend-cpu'
import { Tensor } from '@lowlat/core'
import { createRandom, type Graph, GraphBuilder, inferTypes, nameNodes } from '@lowlat/onnx'
import { expect, it } from 'vitest'
import { conv } from '../testing/networks.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { cpuRecipe } from './cpu.ts'
import { repeatPixels } from './repeat-pixels.ts'

const plain = new PlainQuantizer(createBackend())
const feeds = { image: new Tensor('float32', [2, 3, 4, 6], createRandom(1).normals(new Float32Array(144), 1)) }

interface Enlarged {
  readonly attributes?: Readonly<Record<string, string>>
  readonly scales?: readonly number[]
  readonly sizes?: readonly number[]
}

const asymmetric = { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }

/** Two convolutions on integers with a Resize in between, and one in float, which gives the output. */
async function quantized({ attributes = asymmetric, scales, sizes }: Enlarged): Promise<Graph> {
  const g = new GraphBuilder('enlarge')
  const image = g.input('image', 'float32', ['batch', 3, 4, 6])
  const first = g.op('Relu', [conv(g, 'first', image, [3, 8])])
  const inputs = scales
    ? [first, undefined, g.constant('scales', new Tensor('float32', [4], Float32Array.from(scales)))]
    : [first, undefined, undefined, g.int64('sizes', sizes!)]
  const large = g.op('Resize', inputs, { mode: 'nearest', ...attributes })
  const second = g.op('Relu', [conv(g, 'second', large, [8, 4])])
  g.output('y', conv(g, 'last', second, [4, 4]), 'float32', ['batch', 4, 'height', 'width'])
  nameNodes(g.graph)
  inferTypes(g.graph)
  return plain.quantize(g.graph, cpuRecipe, [feeds])
}

async function run(graph: Graph): Promise<Float32Array> {
  await using session = await plain.open(graph)
  return (await session.run(feeds)).y!.toFloat32()
}

it.each<[string, Enlarged]>([
  ['scales', { scales: [1, 1, 2, 2] }],
  ['different scales', { scales: [1, 1, 3, 1] }],
  ['sizes', { sizes: [2, 8, 8, 18] }],
  [
    'centres of pixels',
    {
      scales: [1, 1, 2, 3],
      attributes: { coordinate_transformation_mode: 'half_pixel', nearest_mode: 'round_prefer_ceil' },
    },
  ],
  ['what ONNX does by default', { scales: [1, 1, 2, 2], attributes: {} }],
])('repeats pixels of integers without a Resize, with the same result: %s', async (_, enlarged) => {
  const graph = await quantized(enlarged)
  const expected = await run(graph)
  expect(repeatPixels(graph)).toBe(1)
  expect(await run(graph)).toEqual(expected)
  cpuRecipe.finish!(graph)
  const operators = await plain.operatorsRun(graph, feeds)
  expect([operators.get('QLinearConv'), operators.get('Expand')]).toEqual([2, 1])
  expect(operators.has('Resize')).toBe(false)
})

it.each<[string, Enlarged]>([
  [
    'pixels of whose right half take the next one',
    { scales: [1, 1, 2, 2], attributes: { ...asymmetric, nearest_mode: 'ceil' } },
  ],
  ['that is no whole number of times', { sizes: [2, 8, 6, 9] }],
  ['whose scales are rounded', { scales: [1, 1, 2.2, 2.1] }],
  ['that interpolates', { scales: [1, 1, 2, 2], attributes: { mode: 'linear' } }],
])('leaves a Resize %s', async (_, enlarged) => {
  expect(repeatPixels(await quantized(enlarged))).toBe(0)
})
