import { createBackend } from '@lowlat/backend-cpu'
import { Tensor } from '@lowlat/core'
import {
  type AttributeInput,
  checkGraph,
  cloneGraph,
  createRandom,
  float,
  floats,
  type Graph,
  GraphBuilder,
  type Value,
} from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { raiseOpset } from './raise-opset.ts'

const plain = new PlainQuantizer(createBackend())

const x = new Tensor('float32', [1, 2, 3, 4], createRandom(1).normals(new Float32Array(24), 1))

interface Case {
  readonly opType: string
  readonly attributes?: Record<string, AttributeInput>
  readonly scales?: readonly number[]
}

const newGraph = (opset: number) => new GraphBuilder('model', { opset, irVersion: 6 })

/** One output per case, all from one input. */
function modelOf(opset: number, cases: readonly Case[]): Graph {
  const g = newGraph(opset)
  const input = g.input('x', 'float32', x.shape)
  for (const { opType, attributes, scales } of cases) {
    const more = scales ? [g.constant('s', new Tensor('float32', [4], Float32Array.from(scales)))] : []
    g.graph.addOutput(g.op(opType, [input, ...more], attributes), { elementType: 'float32', shape: undefined })
  }
  return g.graph
}

async function run(graph: Graph) {
  await using session = await plain.open(graph)
  const fetches = await session.run({ x })
  return Object.fromEntries(
    Object.entries(fetches).map(([name, tensor]) => [name, { shape: tensor.shape, data: tensor.toFloat32() }]),
  )
}

async function expectSame(old: Graph): Promise<void> {
  const raised = cloneGraph(old)
  raiseOpset(raised)
  checkGraph(raised)
  expect(raised.opset).toBe(13)
  expect(raised.model.irVersion).toBe(7)
  expect(await run(raised)).toEqual(await run(old))
}

const upTo9: readonly Case[] = [
  { opType: 'Squeeze', attributes: { axes: [0] } },
  { opType: 'Squeeze' },
  { opType: 'Unsqueeze', attributes: { axes: [0, 2] } },
  { opType: 'ReduceSum', attributes: { axes: [1], keepdims: 0 } },
  { opType: 'ReduceSum' },
  { opType: 'Pad', attributes: { pads: [0, 0, 1, 0, 0, 0, 0, 2], value: float(1.5) } },
  { opType: 'Pad', attributes: { pads: [0, 0, 1, 0, 0, 0, 0, 2], mode: 'edge' } },
  { opType: 'Clip', attributes: { min: float(-0.5), max: float(0.75) } },
  { opType: 'Clip', attributes: { max: float(0.75) } },
  // "To the end" does not fit a double.
  { opType: 'Slice', attributes: { starts: [1, 0], ends: [9223372036854775807n, 3], axes: [2, 3] } },
  { opType: 'Slice', attributes: { starts: [0, 1], ends: [1, 9] } },
  { opType: 'Softmax' },
  { opType: 'Softmax', attributes: { axis: 0 } },
  { opType: 'Softmax', attributes: { axis: 3 } },
  { opType: 'LogSoftmax', attributes: { axis: 2 } },
  { opType: 'Dropout', attributes: { ratio: float(0.3) } },
  { opType: 'Relu' },
]

describe('raising to opset 13', () => {
  it('keeps what a model of opset 7 computes', () =>
    expectSame(modelOf(7, [{ opType: 'Upsample', attributes: { scales: floats([1, 1, 2, 2]) } }, ...upTo9])))

  it('keeps what a model of opset 9 computes', () => {
    const linear = { opType: 'Upsample', attributes: { mode: 'linear' }, scales: [1, 1, 2, 3] }
    const old = modelOf(9, [linear, ...upTo9])
    const [x] = old.inputs
    const split = { axis: 3, split: [1, 3] }
    const parts = old.addNode({ opType: 'Split', inputs: [x], outputs: 2, attributes: split }).outputs
    const top = old.addNode({ opType: 'TopK', inputs: [parts[1]], outputs: 2, attributes: { axis: 3, k: 2 } })
    old.addOutput(top.outputs[0]!, { elementType: 'float32', shape: undefined })
    return expectSame(old)
  })

  it('keeps what Resize of opset 10 computes', () => {
    const [nearest, linear] = ['nearest', 'linear'].map((mode) => ({ opType: 'Resize', attributes: { mode } }))
    return expectSame(
      modelOf(
        10,
        [nearest!, linear!].map((each) => ({ ...each, scales: [1, 1, 2, 1.5] })),
      ),
    )
  })

  it('renames Scatter', () => {
    const g = newGraph(9)
    const scatter: Value = g.op('Scatter', [g.input('x', 'float32', [4]), g.int64('i', [0]), g.weights('u', [1], 1)])
    raiseOpset(g.graph)
    expect(scatter.producer!.opType).toBe('ScatterElements')
  })

  it('leaves later versions alone', () => {
    const graph = modelOf(17, [{ opType: 'Softmax' }])
    raiseOpset(graph)
    expect(graph.opset).toBe(17)
    expect(graph.nodes[0]!.attributes.size).toBe(0)
  })

  it('refuses what opset 13 cannot say', () => {
    expect(() => raiseOpset(modelOf(6, [{ opType: 'Relu' }]))).toThrow(/opset 7 or later, got 6/)
    const perActivation = modelOf(8, [{ opType: 'BatchNormalization', attributes: { spatial: 0 } }])
    expect(() => raiseOpset(perActivation)).toThrow(/spatial = 0/)
    expect(() => raiseOpset(modelOf(8, [{ opType: 'Scan' }]))).toThrow(/batch axis/)
  })
})
