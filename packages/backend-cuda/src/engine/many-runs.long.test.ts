import { createBackend as createCpuBackend } from '@lowlat/backend-cpu'
import { createSession, Tensor } from '@lowlat/core'
import { createRandom, float, GraphBuilder, onnxFromGraph, type Random } from '@lowlat/onnx'
import type { SimulatorControl } from '@lowlat/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cudaBackend, cudaUnavailable, useSimulator } from '../testing/simulated-backend.ts'

const reason = cudaUnavailable()

/** Two convolutions around a residual connection, for any number of images of any size. */
function residualModel(): Uint8Array {
  const g = new GraphBuilder('residual')
  const x = g.input('x', 'float32', ['batch', 3, 'height', 'width'])
  const conv = (name: string, input: typeof x, inputs: number, outputs: number) => {
    const weight = Tensor.zeros('float32', [outputs, inputs, 3, 3])
    g.random.normals(weight.data, 0.2)
    const bias = Tensor.zeros('float32', [outputs])
    g.random.normals(bias.data, 0.2)
    const attributes = { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }
    return g.op('Conv', [input, g.constant(`${name}.weight`, weight), g.constant(`${name}.bias`, bias)], attributes)
  }
  const first = g.op('Relu', [conv('first', x, 3, 8)])
  const sum = g.op('Relu', [g.op('Add', [conv('second', first, 8, 8), first])])
  g.output('y', g.op('LeakyRelu', [sum], { alpha: float(0.1) }), 'float32', ['batch', 8, 'height', 'width'])
  return onnxFromGraph(g.graph)
}

function randomImages(random: Random): Tensor<'float32'> {
  const tensor = Tensor.zeros('float32', [1 + random.integer(3), 3, 4 + random.integer(12), 4 + random.integer(12)])
  random.normals(tensor.data, 1)
  return tensor
}

describe.skipIf(reason)(`many runs${reason ? ` (${reason})` : ''}`, () => {
  let control: SimulatorControl | undefined

  beforeAll(async () => {
    control = await useSimulator()
  })
  afterAll(() => {
    const { faultsFired: _, ...counts } = control?.counts() ?? { faultsFired: 0 }
    expect(Object.values(counts).every((count) => count === 0)).toBe(true)
  })

  it('1,000 of random shapes over three contexts give what the CPU gives, and leave no object of the driver behind', async () => {
    const model = residualModel()
    const profiles = [{ x: { min: [1, 3, 4, 4], opt: [1, 3, 8, 8], max: [3, 3, 16, 16] } }]
    const common = { cache: false, profiles } as const
    await using cpu = await createSession(model, { ...common, backend: createCpuBackend(), contexts: 1 })
    await using cuda = await createSession(model, { ...common, backend: cudaBackend(), contexts: 3 })
    const random = createRandom(11)
    let worst = 0
    for (let round = 0; round < 100; round++) {
      const batches = Array.from({ length: 10 }, () => randomImages(random))
      const expected = await Promise.all(batches.map((x) => cpu.run({ x })))
      const results = await Promise.all(batches.map((x) => cuda.run({ x })))
      for (const [index, { y }] of results.entries()) {
        const want = expected[index]!.y!
        expect(y!.shape).toEqual(want.shape)
        worst = Math.max(worst, largestDifference(y!.toFloat32(), want.toFloat32()))
      }
    }
    expect(worst).toBeLessThan(1e-4)
    const counts = control?.counts()
    if (counts) expect(counts.graphExecs).toBeLessThanOrEqual(3 * 16)
  })
})

function largestDifference(a: Float32Array, b: Float32Array): number {
  let largest = 0
  for (const [index, value] of a.entries()) largest = Math.max(largest, Math.abs(value - b[index]!))
  return largest
}
