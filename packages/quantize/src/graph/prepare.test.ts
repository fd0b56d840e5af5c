import { createBackend } from '@lowlat/backend-cpu'
import { Tensor } from '@lowlat/core'
import { createRandom, type Graph, GraphBuilder, onnxFromGraph } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { conv } from '../testing/networks.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { prepareGraph } from './prepare.ts'
import { weightedLayerOf } from './weighted-layer.ts'

const plain = new PlainQuantizer(createBackend())

const image = new Tensor('float32', [2, 3, 4, 4], createRandom(1).normals(new Float32Array(96), 1))

/** Pooling and a 1x1 convolution as classifier, as converted from TensorFlow. */
function classifier(opset = 11, final = true) {
  const g = new GraphBuilder('classifier', { opset, irVersion: 6 })
  const pooled = g.op('GlobalAveragePool', [conv(g, 'a', g.input('image', 'float32', ['batch', 3, 4, 4]), [3, 8])])
  const scores = conv(g, 'scores', pooled, [8, 5], 1)
  const last = final ? scores : conv(g, 'last', scores, [5, 4], 1)
  g.output('y', g.op('Flatten', [g.op('Softmax', [last], { axis: 1 })]), 'float32', ['batch', final ? 5 : 4])
  return g.graph
}

async function run(graph: Graph): Promise<Float32Array> {
  await using session = await plain.open(graph)
  return (await session.run({ image })).y!.toFloat32()
}

describe('prepareGraph', () => {
  it('gives a graph of its own that computes the same, with opset 13, names and types', async () => {
    const graph = classifier()
    for (const node of graph.nodes) node.name = ''
    const before = onnxFromGraph(graph)
    const prepared = prepareGraph(graph)
    expect(Buffer.compare(onnxFromGraph(graph), before)).toBe(0)
    expect(prepared.opset).toBe(13)
    expect(new Set(prepared.nodes.map(({ name }) => name)).size).toBe(prepared.nodes.length)
    for (const node of prepared.nodes) expect(node.outputs[0]!.elementType).toBeDefined()
    const [expected, result] = await Promise.all([run(graph), run(prepared)])
    for (const [i, value] of expected.entries()) expect(result[i]).toBeCloseTo(value, 5)
  })

  it('makes the last 1x1 convolution behind a pooling a Gemm', () => {
    const gemm = prepareGraph(classifier()).nodes.find(({ opType }) => opType === 'Gemm')
    expect(gemm?.inputs.slice(1).map((value) => value!.initializer!.shape)).toEqual([[5, 8], [5]])
  })

  it('leaves convolutions that are not the last layer', () => {
    const operators = prepareGraph(classifier(11, false)).nodes.map(({ opType }) => opType)
    expect(operators.filter((opType) => opType === 'Conv')).toHaveLength(3)
    expect(operators).not.toContain('Gemm')
  })

  it.each([[[]], [[1]], [[1, 1]], [[1, 5]]])('makes a bias %j of a Gemm a vector of all channels', (shape) => {
    const g = new GraphBuilder('gemm')
    const x = g.input('x', 'float32', ['batch', 4])
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 3)
    const bias = g.constant('bias', new Tensor('float32', shape, data))
    const y = g.op('Gemm', [x, g.weights('w', [4, 5], 0.5), bias])
    g.output('y', y, 'float32', ['batch', 5])
    const [node] = prepareGraph(g.graph).nodes
    const { tensor } = node!.inputs[2]!.initializer!
    expect(tensor.shape).toEqual([5])
    expect([...tensor.toFloat32()]).toEqual(data.length === 1 ? Array(5).fill(3) : [...data])
    expect(weightedLayerOf(node!)?.axis).toBe(1)
  })

  it('takes no Gemm for a layer that adds something else per row, or one computed number to all channels', () => {
    const g = new GraphBuilder('gemm')
    const x = g.input('x', 'float32', [2, 4])
    const perRow = g.op('Gemm', [x, g.weights('w', [4, 5], 0.5), g.weights('rows', [2, 1], 1)])
    const number = g.op('Relu', [g.input('b', 'float32', [1])])
    g.output('y', g.op('Gemm', [perRow, g.weights('v', [5, 3], 0.5), number]), 'float32', [2, 3])
    const layers = prepareGraph(g.graph).nodes.filter(({ opType }) => opType === 'Gemm')
    expect(layers.map(weightedLayerOf)).toEqual([undefined, undefined])
  })
})
