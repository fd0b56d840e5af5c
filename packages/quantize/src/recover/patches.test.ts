import { createBackend } from '@lowlat/backend-cpu'
import { createSession, Tensor } from '@lowlat/core'
import { createRandom, GraphBuilder, onnxFromGraph } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { layerGeometry } from './layer-geometry.ts'
import { patchReader } from './patches.ts'

const random = createRandom(3)

function tensor(shape: readonly number[]): Tensor<'float32'> {
  return new Tensor('float32', shape, random.normals(new Float32Array(shape.reduce((a, b) => a * b, 1)), 1))
}

/** The layer computed by the backend, and as weight matrix times patches. */
async function bothWays(
  opType: string,
  input: Tensor<'float32'>,
  weight: Tensor<'float32'>,
  attributes: Record<string, number | number[]>,
): Promise<{ expected: Float32Array; computed: Float64Array }> {
  const g = new GraphBuilder('layer')
  const y = g.op(opType, [g.input('x', 'float32', input.shape), g.constant('w', weight)], attributes)
  const node = y.producer!
  g.graph.addOutput(y, { elementType: 'float32', shape: undefined })
  await using session = await createSession(onnxFromGraph(g.graph), { backend: createBackend(), cache: false })
  const [output] = Object.values(await session.run({ x: input }))
  const geometry = layerGeometry(node, 1, weight.shape)!
  const { groups, rows, inputs, transposed } = geometry
  const reader = patchReader(geometry, input.shape)
  const channels = groups * rows
  const batch = geometry.kernel.length > 0 ? input.shape[0]! : reader.positions
  const perImage = reader.positions / batch
  const computed = new Float64Array(reader.positions * channels)
  const x = new Float64Array(inputs)
  for (let position = 0; position < reader.positions; position++) {
    for (let channel = 0; channel < channels; channel++) {
      reader.read(input.data, position, Math.floor(channel / rows), x)
      let sum = 0
      for (let i = 0; i < inputs; i++) {
        sum += x[i]! * weight.data[transposed ? i * rows + channel : channel * inputs + i]!
      }
      const image = Math.floor(position / perImage)
      computed[(image * channels + channel) * perImage + (position % perImage)] = sum
    }
  }
  return { expected: output!.toFloat32(), computed }
}

describe('patches', () => {
  it.each([
    ['a plain convolution', 'Conv', [2, 3, 7, 6], [4, 3, 3, 3], {}],
    ['strides and uneven padding', 'Conv', [1, 2, 9, 8], [5, 2, 3, 2], { strides: [2, 3], pads: [1, 0, 2, 1] }],
    ['dilations', 'Conv', [1, 2, 9, 9], [2, 2, 3, 3], { dilations: [2, 1], pads: [2, 1, 2, 1] }],
    ['a depthwise convolution', 'Conv', [2, 4, 6, 6], [4, 1, 3, 3], { group: 4, pads: [1, 1, 1, 1] }],
    ['groups', 'Conv', [1, 6, 5, 5], [4, 3, 1, 1], { group: 2 }],
    ['one dimension', 'Conv', [2, 3, 11], [4, 3, 5], { pads: [2, 2] }],
    ['a matrix', 'MatMul', [2, 5, 6], [6, 3], {}],
    ['a fully connected layer', 'Gemm', [4, 6], [6, 3], {}],
    ['a transposed weight', 'Gemm', [4, 6], [3, 6], { transB: 1 }],
  ])('times the weights give the output of %s', async (_, opType, input, weight, attributes) => {
    const { expected, computed } = await bothWays(opType, tensor(input), tensor(weight), attributes)
    expect(computed.length).toBe(expected.length)
    for (const [i, value] of computed.entries()) expect(value).toBeCloseTo(expected[i]!, 4)
  })
})
