import { createBackend } from '@lowlat/backend-cpu'
import { createSession, Tensor } from '@lowlat/core'
import {
  createRandom,
  exposeValues,
  type Graph,
  GraphBuilder,
  inferTypes,
  onnxFromGraph,
  type Value,
} from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { equalizableValues, equalize } from './equalize.ts'

const random = createRandom(5)

/** Weights whose channels differ by orders of magnitude. */
function conv(g: GraphBuilder, x: Value, shape: readonly number[], group = 1): Value {
  const weights = random.normals(new Float32Array(shape.reduce((a, b) => a * b, 1)), 1)
  const perRow = weights.length / shape[0]!
  for (let i = 0; i < weights.length; i++) weights[i]! *= 10 ** ((Math.floor(i / perRow) % 4) - 2)
  const bias = random.normals(new Float32Array(shape[0]!), 0.01)
  const inputs = [
    x,
    g.constant('w', new Tensor('float32', shape, weights)),
    g.constant('b', new Tensor('float32', [shape[0]!], bias)),
  ]
  return g.op('Conv', inputs, { group, pads: [1, 1, 1, 1] })
}

/** A rectified convolution, a depthwise one with two outputs per channel, and a dense one. */
function inverted(rectifier: (g: GraphBuilder, x: Value) => Value): Graph {
  const g = new GraphBuilder('inverted')
  const x = g.input('x', 'float32', [1, 3, 8, 8])
  const expanded = rectifier(g, conv(g, x, [8, 3, 3, 3]))
  const depthwise = g.op('Relu', [conv(g, expanded, [16, 1, 3, 3], 8)])
  g.output('y', conv(g, depthwise, [4, 16, 3, 3]), 'float32', [1, 4, 8, 8])
  return g.graph
}

const relu = (g: GraphBuilder, x: Value) => g.op('Relu', [x])
const clip = (low: number) => (g: GraphBuilder, x: Value) =>
  g.op('Clip', [x, g.scalar('low', 'float32', low), g.scalar('high', 'float32', 6)])

const input = new Tensor('float32', [1, 3, 8, 8], random.normals(new Float32Array(192), 1))

async function outputsOf(graph: Graph, names: readonly string[]): Promise<Float32Array[]> {
  inferTypes(graph)
  const bytes = onnxFromGraph(
    exposeValues(
      graph,
      names.filter((name) => name !== 'y'),
    ),
  )
  await using session = await createSession(bytes, { backend: createBackend(), cache: false })
  const fetches = await session.run({ x: input })
  return names.map((name) => fetches[name]!.toFloat32())
}

/** Largest magnitude of each of 8 channels. */
function magnitudesOf(values: Float32Array): Float32Array {
  const plane = values.length / 8
  return Float32Array.from({ length: 8 }, (_, channel) =>
    values.subarray(channel * plane, (channel + 1) * plane).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  )
}

describe('equalize', () => {
  it.each([
    ['Relu', relu],
    ['Clip', clip(0)],
  ])(
    'lets every channel behind a %s fill half the range of the largest one, and keeps the output',
    async (_name, rectifier) => {
      const graph = inverted(rectifier)
      const { value } = equalizableValues(graph)[0]!
      const [before, expanded] = await outputsOf(graph, ['y', value])
      const magnitudes = magnitudesOf(expanded!)
      const most = Math.max(...magnitudes)
      expect(Math.min(...magnitudes)).toBeLessThan(most / 30)
      const equalized = equalize(graph, new Map([[value, magnitudes]]))
      const [after, scaled] = await outputsOf(equalized, ['y', value])
      const scale = Math.max(...before!.map(Math.abs))
      for (const [i, each] of after!.entries()) expect(Math.abs(each - before![i]!)).toBeLessThan(1e-5 * scale)
      for (const [channel, own] of magnitudesOf(scaled!).entries()) {
        // Half the range is left for what was not seen, no channel grows by more than 32, and none shrinks.
        const expected = Math.max(Math.min(most / 2, 32 * magnitudes[channel]!), magnitudes[channel]!)
        expect(own / expected).toBeCloseTo(1, 4)
      }
      expect(await outputsOf(graph, ['y'])).toEqual([before])
    },
  )

  it('knows where channels can be scaled', () => {
    expect(equalizableValues(inverted(relu))).toEqual([{ computed: 'Conv', value: 'Relu' }])
    expect(equalizableValues(inverted((_, x) => x))).toEqual([{ computed: 'Conv', value: 'Conv' }])
    // Neither commutes with a factor, and dense layers would pay for it with their weights.
    expect(equalizableValues(inverted((g, x) => g.op('Sigmoid', [x])))).toEqual([])
    expect(equalizableValues(inverted(clip(-1)))).toEqual([])
    const dense = inverted(relu)
    dense.nodes.find(({ name }) => name === 'Conv_1')!.setAttribute('group', { type: 'int', value: 1n })
    dense.addOutput(dense.nodes[1]!.outputs[0]!)
    expect(equalizableValues(dense)).toEqual([])
  })

  it('leaves channels alone that were never seen', () => {
    const graph = inverted(relu)
    const magnitudes = new Float32Array(8)
    magnitudes[3] = 5
    const weights = (of: Graph) => of.nodes[0]!.inputs[1]!.initializer!.tensor.data
    expect(weights(equalize(graph, new Map([['Relu', magnitudes]])))).toEqual(weights(graph))
  })
})
