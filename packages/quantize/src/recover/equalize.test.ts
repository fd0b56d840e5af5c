import { createBackend } from '@lowlat/backend-cpu'
import { createSession, Tensor } from '@lowlat/core'
import { createRandom, type Graph, GraphBuilder, onnxFromGraph, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { equalize } from './equalize.ts'

const random = createRandom(5)

/** Weights whose channels differ by orders of magnitude. */
function conv(g: GraphBuilder, x: Value, shape: readonly number[], group = 1): Value {
  const weights = random.normals(new Float32Array(shape.reduce((a, b) => a * b, 1)), 1)
  const perRow = weights.length / shape[0]!
  for (let i = 0; i < weights.length; i++) weights[i]! *= 10 ** ((Math.floor(i / perRow) % 4) - 2)
  const bias = random.normals(new Float32Array(shape[0]!), 1)
  const inputs = [
    x,
    g.constant('w', new Tensor('float32', shape, weights)),
    g.constant('b', new Tensor('float32', [shape[0]!], bias)),
  ]
  return g.op('Conv', inputs, { group, pads: [1, 1, 1, 1] })
}

function inverted(activation: string): Graph {
  const g = new GraphBuilder('inverted')
  const x = g.input('x', 'float32', [1, 3, 8, 8])
  const expanded = g.op(activation, [conv(g, x, [8, 3, 3, 3])])
  const depthwise = g.op('Relu', [conv(g, expanded, [8, 1, 3, 3], 8)])
  g.output('y', conv(g, depthwise, [4, 8, 3, 3]), 'float32', [1, 4, 8, 8])
  return g.graph
}

async function outputOf(graph: Graph, input: Tensor): Promise<Float32Array> {
  await using session = await createSession(onnxFromGraph(graph), { backend: createBackend(), cache: false })
  return (await session.run({ x: input })).y!.toFloat32()
}

function spread(graph: Graph): number {
  const ranges = graph.nodes
    .filter((node) => node.opType === 'Conv')
    .slice(0, 1)
    .flatMap((node) => {
      const { shape, tensor } = node.inputs[1]!.initializer!
      const data = tensor.toFloat32()
      const perRow = data.length / shape[0]!
      return Array.from({ length: shape[0]! }, (_, row) =>
        Math.max(...data.subarray(row * perRow, (row + 1) * perRow).map(Math.abs)),
      )
    })
  return Math.max(...ranges) / Math.min(...ranges)
}

describe('equalize', () => {
  it('narrows the spread of the channels and keeps the output', async () => {
    const graph = inverted('Relu')
    const input = new Tensor('float32', [1, 3, 8, 8], random.normals(new Float32Array(192), 1))
    const before = await outputOf(graph, input)
    const spreadBefore = spread(graph)
    expect(equalize(graph)).toBe(2)
    const after = await outputOf(graph, input)
    const scale = Math.max(...before.map(Math.abs))
    for (const [i, value] of after.entries()) expect(Math.abs(value - before[i]!)).toBeLessThan(1e-5 * scale)
    expect(spread(graph)).toBeLessThan(spreadBefore / 5)
  })

  it('leaves layers alone whose activation is not homogeneous', () => {
    expect(equalize(inverted('Sigmoid'))).toBe(1)
  })
})
