import { createBackend } from '@lowlat/backend-cpu'
import { type Feeds, Tensor } from '@lowlat/core'
import {
  checkGraph,
  createRandom,
  type Graph,
  GraphBuilder,
  graphFromOnnx,
  type Node,
  onnxFromGraph,
} from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import type { QuantizationParameters } from '../sites.ts'
import { recipes } from '../targets/recipes.ts'
import { conv, gemm, residualNetwork } from '../testing/networks.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { insertQdq } from './insert-qdq.ts'

const plain = new PlainQuantizer(createBackend())

const { cpu, trt } = recipes
const random = createRandom(5)

function feed(name: string, shape: readonly number[]): Feeds {
  const data = random.normals(new Float32Array(shape.reduce((a, b) => a * b, 1)), 1)
  return { [name]: new Tensor('float32', shape, data) }
}

const samples = Array.from({ length: 4 }, () => feed('image', [1, 3, 8, 8]))
const rows = Array.from({ length: 4 }, () => feed('x', [3, 4]))

const count = (graph: Graph, opType: string) => graph.nodes.filter((node) => node.opType === opType).length
const named = (graph: Graph, name: string) => graph.nodes.find((node) => node.name === name)!

/** Operators from a node's input back, through whatever computes it. */
function chain(node: Node, index: number): string[] {
  const names: string[] = []
  for (let at = node.inputs[index]?.producer; at; at = at.inputs[0]?.producer) names.push(at.opType)
  return names
}

/** One Gemm with bias [3, 4] -> [3, 2]. */
function linear(bias: readonly number[] = [0.5, -0.25], weight?: readonly number[]) {
  const g = new GraphBuilder('linear')
  const x = g.input('x', 'float32', [3, 4])
  const w = weight
    ? g.constant('w', new Tensor('float32', [2, 4], Float32Array.from(weight)))
    : g.weights('w', [2, 4], 1)
  const b = g.constant('b', new Tensor('float32', [2], Float32Array.from(bias)))
  g.output('y', g.op('Gemm', [x, w, b], { transB: 1 }), 'float32', [3, 2])
  return g.graph
}

async function floatsOf(graph: Graph, feeds: Feeds, output: string): Promise<Float32Array> {
  await using session = await plain.open(graph)
  return (await session.run(feeds))[output]!.toFloat32()
}

describe('insertQdq for the CPU', () => {
  it('gives a model that ONNX Runtime computes on integers from end to end', async () => {
    const quantized = await plain.quantize(residualNetwork(), cpu, samples)
    const operators = await plain.operatorsRun(graphFromOnnx(onnxFromGraph(quantized)), samples[0]!)
    expect(Object.fromEntries(operators)).toMatchObject({
      QLinearConv: 5,
      QLinearAdd: 2,
      QLinearGlobalAveragePool: 1,
      QGemm: 1,
    })
    for (const float of ['Conv', 'Add', 'Relu', 'Gemm', 'MaxPool']) expect(operators.has(float)).toBe(false)
    expect(operators.get('QuantizeLinear')).toBe(1)
  })

  it('computes close to the float model, with which it shares inputs and outputs', async () => {
    const float = residualNetwork()
    const quantized = await plain.quantize(float, cpu, samples)
    checkGraph(quantized)
    expect(quantized.inputs.map(({ name }) => name)).toEqual(['image'])
    const [a, b] = await Promise.all([float, quantized].map((graph) => floatsOf(graph, samples[0]!, 'logits')))
    const most = Math.max(...a!.map(Math.abs))
    for (const [i, value] of a!.entries()) expect(Math.abs(b![i]! - value)).toBeLessThan(0.05 * most)
    expect(b).not.toEqual(a)
  })

  it('leaves the graph that it is given as it is', async () => {
    const float = residualNetwork()
    const before = onnxFromGraph(float)
    await plain.quantize(float, cpu, samples)
    expect(Buffer.compare(onnxFromGraph(float), before)).toBe(0)
  })

  it('computes sums of integer products, as the formula of quantized linear layers says', async () => {
    const graph = linear()
    const sites = cpu.sites(graph)
    const parameters = await plain.parameters(graph, sites, cpu, rows)
    const y = await floatsOf(insertQdq(graph, sites, parameters, cpu), rows[1]!, 'y')
    const { scale, zeroPoint } = parameters.activations.get('x')!
    const { scales, data } = parameters.weights.get('Gemm')!
    const x = rows[1]!.x!.toFloat32()
    for (let row = 0; row < 3; row++) {
      for (const [channel, bias] of [0.5, -0.25].entries()) {
        const step = scale * scales[channel]!
        let sum = Math.round(bias / step)
        for (let k = 0; k < 4; k++) {
          const integer = Math.min(255, Math.max(0, Math.round(x[row * 4 + k]! / scale) + zeroPoint))
          sum += (integer - zeroPoint) * data[channel * 4 + k]!
        }
        expect(y[row * 2 + channel]).toBeCloseTo(sum * step, 4)
      }
    }
  })

  it('leaves out rectifiers that saturation replaces, and keeps the others', async () => {
    const g = new GraphBuilder('clip')
    const bounds = [g.scalar('low', 'float32', 0), g.scalar('high', 'float32', 6)]
    const clipped = g.op('Clip', [conv(g, 'a', g.input('image', 'float32', [1, 3, 8, 8]), [3, 4]), ...bounds])
    g.output('y', g.op('Relu', [conv(g, 'b', clipped, [4, 4])]), 'float32', [1, 4, 8, 8])
    const sites = { ...cpu.sites(g.graph) }
    const of = (scale: number, zeroPoint: number) => {
      const parameters = { dtype: 'uint8' as const, scale, zeroPoint }
      const activations = new Map(sites.activations.map(({ value }) => [value, parameters]))
      return { activations, weights: known.weights, biases: new Map() }
    }
    const known = await plain.parameters(g.graph, sites, cpu, samples)
    const clips = (parameters: QuantizationParameters) => count(insertQdq(g.graph, sites, parameters, cpu), 'Clip')
    expect(clips(of(Math.fround(6 / 255), 0))).toBe(0)
    expect(clips(of(Math.fround(4 / 255), 0))).toBe(0)
    expect(clips(of(Math.fround(7 / 255), 0))).toBe(1)
    expect(clips(of(Math.fround(6 / 255), 3))).toBe(1)
  })

  it('shares equal scales and zero points, as scalars', async () => {
    const graph = residualNetwork()
    const sites = cpu.sites(graph)
    const parameters = await plain.parameters(graph, sites, cpu, samples)
    const same = { dtype: 'uint8' as const, scale: 0.125, zeroPoint: 7 }
    const activations = new Map([...parameters.activations.keys()].map((value) => [value, same]))
    const quantized = insertQdq(graph, sites, { ...parameters, activations }, cpu)
    const pairs = quantized.nodes.filter(({ opType }) => opType === 'QuantizeLinear')
    expect(pairs).toHaveLength(sites.activations.length)
    expect(new Set(pairs.map(({ inputs }) => inputs[1])).size).toBe(1)
    expect(pairs[0]!.inputs.slice(1).map((value) => value!.initializer!.shape)).toEqual([[], []])
  })

  it('stores a shared weight once where its parameters are the same, and a shared bias per layer', async () => {
    const g = new GraphBuilder('shared')
    const x = g.input('x', 'float32', [3, 4])
    const [w, b] = [g.weights('w', [4, 4], 1), g.weights('b', [4], 1)]
    const hidden = g.op('Gemm', [x, w, b], { transB: 1 })
    g.output('y', g.op('Gemm', [hidden, w, b], { transB: 1 }), 'float32', [3, 4])
    const sites = cpu.sites(g.graph)
    const parameters = await plain.parameters(g.graph, sites, cpu, rows)
    const weights = new Map(sites.weights.map(({ node }) => [node, parameters.weights.get('Gemm')!]))
    const quantized = insertQdq(g.graph, sites, { ...parameters, weights }, cpu)
    const gemms = quantized.nodes.filter(({ opType }) => opType === 'Gemm')
    expect(gemms[0]!.inputs[1]).toBe(gemms[1]!.inputs[1])
    expect(gemms[0]!.inputs[2]).not.toBe(gemms[1]!.inputs[2])
    expect(quantized.initializers.map(({ name }) => name)).not.toContain('w')
    const types = quantized.initializers.map(({ initializer }) => initializer!.elementType)
    expect(types.filter((type) => type === 'int8')).toHaveLength(2) // the weight and its zero points
    await floatsOf(quantized, rows[0]!, 'y')
  })

  it('keeps an output that layers read in float, and feeds the layers integers', async () => {
    const g = new GraphBuilder('output')
    const features = g.op('Relu', [conv(g, 'a', g.input('image', 'float32', [1, 3, 8, 8]), [3, 4])])
    g.output('features', features, 'float32', [1, 4, 8, 8])
    g.output('y', g.op('GlobalAveragePool', [conv(g, 'b', features, [4, 4])]), 'float32', [1, 4, 1, 1])
    const quantized = await plain.quantize(g.graph, cpu, samples)
    expect(quantized.outputs.map(({ name }) => name)).toEqual(['features', 'y'])
    expect(chain(named(quantized, 'b.Conv'), 0).slice(0, 3)).toEqual(['DequantizeLinear', 'QuantizeLinear', 'Relu'])
    const float = await floatsOf(g.graph, samples[0]!, 'features')
    expect(await floatsOf(quantized, samples[0]!, 'features')).toEqual(float)
  })

  it('keeps a bias that does not fit int32 beside tiny weights, and one beside weights of zero', async () => {
    const graph = linear([1000, -3], [1e-9, -2e-9, 1e-9, 0, 0, 0, 0, 0])
    const quantized = await plain.quantize(graph, cpu, rows)
    const y = await floatsOf(quantized, rows[0]!, 'y')
    for (let row = 0; row < 3; row++) {
      expect(y[row * 2]).toBeCloseTo(1000, 3)
      expect(y[row * 2 + 1]).toBeCloseTo(-3, 5)
    }
  })

  it('takes biases instead of those of the model, also where it has none', async () => {
    const g = new GraphBuilder('no-bias')
    g.output('y', g.op('Gemm', [g.input('x', 'float32', [3, 4]), g.weights('w', [4, 2], 1)]), 'float32', [3, 2])
    const sites = cpu.sites(g.graph)
    const parameters = await plain.parameters(g.graph, sites, cpu, rows)
    const shifted = { ...parameters, biases: new Map([['Gemm', Float32Array.of(2, -1)]]) }
    const [before, after] = await Promise.all(
      [parameters, shifted].map((each) => floatsOf(insertQdq(g.graph, sites, each, cpu), rows[0]!, 'y')),
    )
    for (const [i, value] of before!.entries()) expect(after![i]! - value).toBeCloseTo(i % 2 === 0 ? 2 : -1, 1)
  })

  it('refuses a bias for MatMul, and sites that graph or parameters do not have', async () => {
    const g = new GraphBuilder('matmul')
    g.output('y', g.op('MatMul', [g.input('x', 'float32', [3, 4]), g.weights('w', [4, 2], 1)]), 'float32', [3, 2])
    const sites = cpu.sites(g.graph)
    const parameters = await plain.parameters(g.graph, sites, cpu, rows)
    const biases = new Map([['MatMul', Float32Array.of(1, 2)]])
    expect(() => insertQdq(g.graph, sites, { ...parameters, biases }, cpu)).toThrow(/no input for one/)
    expect(() => insertQdq(g.graph, sites, { ...parameters, activations: new Map() }, cpu)).toThrow(/activation 'x'/)
    expect(() => insertQdq(residualNetwork(), sites, parameters, cpu)).toThrow(/the node 'MatMul' in the graph/)
  })
})

describe('insertQdq for NVIDIA GPUs', () => {
  it('puts symmetric Q/DQ in front of layers, and leaves biases and rectifiers as they are', async () => {
    const graph = residualNetwork()
    const quantized = await plain.quantize(graph, trt, samples)
    expect(count(quantized, 'Relu')).toBe(count(graph, 'Relu'))
    for (const layer of quantized.nodes.filter(({ opType }) => opType === 'Conv' || opType === 'Gemm')) {
      expect(chain(layer, 0).slice(0, 2)).toEqual(['DequantizeLinear', 'QuantizeLinear'])
      expect(chain(layer, 1)).toEqual(['DequantizeLinear'])
      expect(layer.inputs[2]!.initializer!.elementType).toBe('float32')
    }
    const zeroPoints = quantized.nodes
      .filter(({ opType }) => opType === 'QuantizeLinear')
      .map(({ inputs }) => inputs[2])
    for (const value of zeroPoints) expect(Array.from(value!.initializer!.tensor.toFloat32())).toEqual([0])
    expect(chain(named(quantized, 'Add'), 1)[0]).toBe('Conv')
    expect(quantized.outputs[0]!.producer!.opType).toBe('Gemm')
  })

  it('takes biases instead of those of the model', async () => {
    const graph = linear()
    const sites = trt.sites(graph)
    const parameters = await plain.parameters(graph, sites, trt, rows)
    const biases = new Map([['Gemm', Float32Array.of(7, 8)]])
    const quantized = insertQdq(graph, sites, { ...parameters, biases }, trt)
    expect(Array.from(named(quantized, 'Gemm').inputs[2]!.initializer!.tensor.toFloat32())).toEqual([7, 8])
    expect(quantized.initializers.map(({ name }) => name)).not.toContain('b')
  })

  it('quantizes a layer without bias as well', async () => {
    const g = new GraphBuilder('plain')
    g.output(
      'y',
      gemm(g, 'a', g.op('MatMul', [g.input('x', 'float32', [3, 4]), g.weights('w', [4, 4], 1)]), [4, 2]),
      'float32',
      [3, 2],
    )
    const quantized = await plain.quantize(g.graph, trt, rows)
    expect(count(quantized, 'QuantizeLinear')).toBe(2)
    expect(count(quantized, 'DequantizeLinear')).toBe(4)
  })
})
