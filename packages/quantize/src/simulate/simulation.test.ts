import { createBackend } from '@lowlat/backend-cpu'
import { Tensor } from '@lowlat/core'
import { createRandom, GraphBuilder, nameNodes } from '@lowlat/onnx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parametersFor } from '../calibrate/scheme.ts'
import type { Sites } from '../sites.ts'
import { quantizeWeight } from '../weights/quantize-weight.ts'
import { Simulation } from './simulation.ts'

const random = createRandom(4)
const weight = new Tensor('float32', [4, 3], random.normals(new Float32Array(12), 1))
const bias = Float32Array.of(0.5, -0.5, 1)
const x = random.normals(new Float32Array(8), 2)
const scheme = { dtype: 'uint8', symmetric: false } as const

/** y = relu(x) * W, with the rectified value read by the product and by an output. */
function model() {
  const g = new GraphBuilder('model')
  const rectified = g.op('Relu', [g.input('x', 'float32', [2, 4])])
  g.output('y', g.op('Gemm', [rectified, g.constant('w', weight)]), 'float32', [2, 3])
  g.output('r', rectified, 'float32', [2, 4])
  nameNodes(g.graph)
  return g.graph
}

const graph = model()
const sites: Sites = {
  activations: [
    { value: 'x', readers: [{ node: 'Relu', index: 0 }], group: 'x' },
    { value: 'r', readers: [{ node: 'Gemm', index: 0 }], group: 'r' },
  ],
  weights: [{ node: 'Gemm', index: 1, value: 'w', axis: 1, input: 'r' }],
}
const quantizedWeight = quantizeWeight(weight, { axis: 1, scheme: { dtype: 'int8', symmetric: true } })
const ofX = parametersFor({ min: -3, max: 2 }, scheme)
const ofR = parametersFor({ min: 0, max: 1.5 }, scheme)

function fake(value: number, { scale, zeroPoint }: { scale: number; zeroPoint: number }): number {
  return (Math.min(255, Math.max(0, Math.round(value / scale) + zeroPoint)) - zeroPoint) * scale
}

function expected(quantize: { x?: boolean; r?: boolean; w?: boolean }) {
  const rectified = Array.from(x, (value) => Math.max(0, quantize.x ? fake(value, ofX) : value))
  const w = Array.from(weight.data, (value, i) =>
    quantize.w ? quantizedWeight.data[i]! * quantizedWeight.scales[i % 3]! : value,
  )
  const read = rectified.map((value) => (quantize.r ? fake(value, ofR) : value))
  const y = Array.from({ length: 6 }, (_, i) => {
    const [row, column] = [Math.floor(i / 3), i % 3]
    let sum = quantize.w ? bias[column]! : 0
    for (let k = 0; k < 4; k++) sum += read[row * 4 + k]! * w[k * 3 + column]!
    return sum
  })
  return { rectified, y }
}

let simulation: Simulation

beforeAll(async () => {
  simulation = await Simulation.create(graph, sites, {
    backend: createBackend(),
    weights: new Map([['Gemm', quantizedWeight]]),
    switchableWeights: true,
  })
})
afterAll(() => simulation.dispose())

const feeds = { x: new Tensor('float32', [2, 4], x) }

describe('Simulation', () => {
  it.each([{}, { x: true }, { r: true }, { x: true, r: true }])(
    'computes %j in integers and the rest in float',
    async (quantize) => {
      const activations = new Map([
        ...(quantize.x ? [['x', ofX] as const] : []),
        ...(quantize.r ? [['r', ofR] as const] : []),
      ])
      const { y, r } = await simulation.run(feeds, { activations, weights: new Set() })
      const { y: wanted, rectified } = expected(quantize)
      for (const [i, value] of wanted.entries()) expect(y!.toFloat32()[i]).toBeCloseTo(value, 4)
      // What is no reader of the site sees the float value.
      for (const [i, value] of rectified.entries()) expect(r!.toFloat32()[i]).toBeCloseTo(value, 5)
    },
  )

  it('computes with rounded weights and other biases', async () => {
    await using fixed = await Simulation.create(graph, sites, {
      backend: createBackend(),
      weights: new Map([['Gemm', quantizedWeight]]),
      biases: new Map([['Gemm', bias]]),
    })
    const { y } = await fixed.run(feeds, { activations: new Map([['r', ofR]]) })
    for (const [i, value] of expected({ r: true, w: true }).y.entries()) expect(y!.toFloat32()[i]).toBeCloseTo(value, 4)
  })

  it('switches weights one by one', async () => {
    const run = async (weights: ReadonlySet<string>) =>
      (await simulation.run(feeds, { activations: new Map(), weights })).y!.toFloat32()
    const float = await run(new Set())
    const rounded = await run(new Set(['Gemm']))
    expect(Array.from(rounded)).not.toEqual(Array.from(float))
    for (const [i, value] of expected({ w: true }).y.entries()) {
      expect(rounded[i]! + bias[i % 3]!).toBeCloseTo(value, 4)
    }
  })

  it('leaves the model as it is', () => {
    expect(graph.nodes.map((node) => node.opType)).toEqual(['Relu', 'Gemm'])
  })
})
