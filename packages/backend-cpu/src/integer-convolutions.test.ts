import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tensor } from '@lowlat/core'
import { decodeModel, encodeModel, Graph, GraphBuilder, type ModelProto, onnxFromGraph, type Value } from '@lowlat/onnx'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { integerUnitsOf, tuneIntegerConvolutions } from './integer-convolutions.ts'
import { compileOptions } from './options.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lowlat-convolutions-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const all = { fours: true, tiles: true }
const SIDE = 12

interface Variation {
  readonly lowest?: number
  readonly weightZeroPoint?: number
  readonly group?: number
  readonly opset?: number
  readonly showPixels?: boolean
}

/** A picture through a convolution of 3 to 64 channels, and one with sums of 576 products. */
function network({ lowest = -127, weightZeroPoint = 0, group = 1, opset = 13, showPixels = false }: Variation = {}) {
  const g = new GraphBuilder('convolutions', { opset })
  const parameters = (name: string, scale: number, zeroPoint: number) => [
    g.scalar(`${name}.scale`, 'float32', scale),
    g.scalar(`${name}.zeroPoint`, 'uint8', zeroPoint),
  ]
  const layer = (name: string, x: Value, from: Value[], to: Value[], shape: [number, number, number, number]) => {
    const size = shape.reduce((a, b) => a * b, 1)
    const data = Int8Array.from({ length: size }, (_, i) => (i === 0 ? lowest : g.random.integer(255) - 127))
    const scales = Float32Array.from({ length: shape[0] }, (_, i) => 0.001 + 0.0001 * i)
    const zeroPoints = new Int8Array(shape[0]).fill(weightZeroPoint)
    const weight = [
      g.constant(`${name}.weight`, new Tensor('int8', shape, data)),
      g.constant(`${name}.scale`, new Tensor('float32', [shape[0]], scales)),
      g.constant(`${name}.zeroPoint`, new Tensor('int8', [shape[0]], zeroPoints)),
    ]
    return g.op('QLinearConv', [x, ...from, ...weight, ...to], {
      pads: [1, 1, 1, 1],
      group: shape[1] === 3 ? 1 : group,
    })
  }
  const [p0, p1, p2] = [parameters('p0', 0.02, 121), parameters('p1', 0.03, 0), parameters('p2', 0.05, 130)]
  const pixels = g.op('QuantizeLinear', [g.input('x', 'float32', ['batch', 3, SIDE, SIDE]), ...p0])
  const first = layer('first', pixels, p0, p1, [64, 3, 3, 3])
  const second = layer('second', first, p1, p2, [16, 64 / group, 3, 3])
  g.output('y', g.op('DequantizeLinear', [second, ...p2]), 'float32', ['batch', 16, SIDE, SIDE])
  if (showPixels) g.output('pixels', pixels, 'uint8', ['batch', 3, SIDE, SIDE])
  return onnxFromGraph(g.graph)
}

/** A picture whose pixels a convolution reads, and both branches of an If. [1, 3, S, S] -> [1, S, S, 3], [1, S, S, 16] */
function branching(): ModelProto {
  const g = new GraphBuilder('branching', { opset: 13 })
  g.graph.model.opsetImports.set('com.microsoft', 1)
  const [from, to] = [121, 3].map((zeroPoint) => [g.scalar('s', 'float32', 0.02), g.scalar('z', 'uint8', zeroPoint)])
  const pixels = g.op('QuantizeLinear', [g.input('x', 'float32', [1, 3, SIDE, SIDE]), ...from!])
  const transposed = g.op('Transpose', [pixels], { perm: [0, 2, 3, 1] })
  const integers = Int8Array.from({ length: 16 * 27 }, () => g.random.integer(255) - 127)
  const weight = g.constant('weight', new Tensor('int8', [16, 3, 3, 3], integers))
  const convolution = g.graph.addNode({
    opType: 'QLinearConv',
    domain: 'com.microsoft',
    inputs: [transposed, ...from!, weight, g.scalar('ws', 'float32', 0.001), g.scalar('wz', 'int8', 0), ...to!],
    attributes: { channels_last: 1, pads: [1, 1, 1, 1] },
  })
  const branch = (name: string) => {
    const body = new Graph(name, g.graph.model)
    body.addOutput(body.addNode({ opType: 'DequantizeLinear', inputs: [transposed, ...from!] }).outputs[0]!)
    return { type: 'graph' as const, value: body }
  }
  const branches = { then_branch: branch('then'), else_branch: branch('else') }
  const shown = g.op('If', [g.constant('c', new Tensor('bool', [], Uint8Array.of(1)))], branches)
  g.output('pixels', shown, 'float32', [1, SIDE, SIDE, 3])
  g.output('y', g.op('DequantizeLinear', [convolution.outputs[0]!, ...to!]), 'float32', [1, SIDE, SIDE, 16])
  return decodeModel(onnxFromGraph(g.graph))
}

/** As ONNX Runtime optimises it, which is what plans are made from. */
async function optimized(variation?: Variation): Promise<ModelProto> {
  const model = join(folder, 'model.onnx')
  await writeFile(model, network(variation))
  const path = join(folder, 'optimized.onnx')
  await (await InferenceSession.create(model, compileOptions(path))).release()
  return decodeModel(await readFile(path))
}

async function outputsOf(model: ModelProto): Promise<Float32Array> {
  const session = await InferenceSession.create(encodeModel(model), { graphOptimizationLevel: 'disabled' })
  const pixels = Float32Array.from({ length: 2 * 3 * SIDE * SIDE }, (_, i) => 3 * Math.sin(i * i))
  const { y } = await session.run({ x: new OrtTensor('float32', pixels, [2, 3, SIDE, SIDE]) })
  await session.release()
  return y!.data as Float32Array
}

const operatorsOf = ({ graph }: ModelProto) => graph?.node?.map(({ opType }) => opType)
const convolutionsOf = ({ graph }: ModelProto) => graph!.node!.filter(({ opType }) => opType === 'QLinearConv')

function zeroPointOf(model: ModelProto, layer: number): number {
  const name = convolutionsOf(model)[layer]!.input![5]
  const [first] = new Int8Array(model.graph!.initializer!.find((tensor) => tensor.name === name)!.rawData!)
  return first!
}

describe('tuneIntegerConvolutions', () => {
  it.each([
    { fours: true, tiles: false, pads: 1, zeroPoint: 0 },
    { fours: true, tiles: true, pads: 1, zeroPoint: -1 },
    { fours: false, tiles: false, pads: 0, zeroPoint: 0 },
  ])('computes the same with $fours and $tiles', async ({ fours, tiles, pads, zeroPoint }) => {
    const model = await optimized()
    const tuned = tuneIntegerConvolutions(model, { fours, tiles })
    expect(operatorsOf(tuned)!.filter((operator) => operator === 'Pad')).toHaveLength(pads)
    expect([zeroPointOf(tuned, 0), zeroPointOf(tuned, 1)]).toEqual([0, zeroPoint])
    const expected = await outputsOf(model)
    expect(new Set(expected).size).toBeGreaterThan(50)
    expect(await outputsOf(tuned)).toEqual(expected)
  })

  it('stores no weight twice', async () => {
    const model = await optimized()
    const sizeOf = (tuned: ModelProto) => encodeModel(tuned).byteLength
    // One channel more of 64 x 3 x 3, and a node.
    expect(sizeOf(tuneIntegerConvolutions(model, all)) - sizeOf(model)).toBeLessThan(64 * 9 + 400)
  })

  it.each<[string, Variation]>([
    ['weights that reach -128', { lowest: -128 }],
    ['weights with a zero point', { weightZeroPoint: 2 }],
    ['groups', { group: 2 }],
  ])('leaves %s to the kernel that they have', async (_, variation) => {
    const model = await optimized(variation)
    expect(convolutionsOf(tuneIntegerConvolutions(model, all))[1]).toEqual(convolutionsOf(model)[1])
  })

  it('leaves pixels alone where Pad takes no sizes, or somebody else reads them as they lie', async () => {
    expect(operatorsOf(tuneIntegerConvolutions(await optimized({ opset: 10 }), all))).not.toContain('Pad')
    const shown = tuneIntegerConvolutions(await optimized({ showPixels: true }), all)
    const { output } = shown.graph!
    expect(output!.map(({ name }) => name)).toEqual(['y', 'pixels'])
    await outputsOf(shown)
  })

  it('leaves pixels alone that a branch reads', () => {
    const model = branching()
    expect(operatorsOf(tuneIntegerConvolutions(model, all))).toEqual(operatorsOf(model))
    // Without the branch it pads them.
    const node = model.graph!.node!.filter(({ opType }) => opType !== 'If')
    const output = model.graph!.output!.filter(({ name }) => name === 'y')
    const straight = { ...model, graph: { ...model.graph!, node, output } }
    expect(operatorsOf(tuneIntegerConvolutions(straight, all))).toContain('Pad')
  })

  it('returns a model without integer convolutions as it is', () => {
    const g = new GraphBuilder('float')
    g.output('y', g.op('Relu', [g.input('x', 'float32', [1, 4])]), 'float32', [1, 4])
    const model = decodeModel(onnxFromGraph(g.graph))
    expect(tuneIntegerConvolutions(model, all)).toBe(model)
  })
})

describe('integerUnitsOf', () => {
  it.each([
    ['x64', 'avx2 avx512f avx512_vnni amx_bf16 amx_tile amx_int8', true, true],
    ['x64', 'avx2 avx512f avx512_vnni', true, false],
    ['arm64', 'asimd asimddp i8mm', false, false],
  ])('of %s with %s', (arch, flags, fours, tiles) => {
    expect(integerUnitsOf(arch, flags)).toEqual({ fours, tiles })
  })
})
