import { createBackend } from '@lowlat/backend-cpu'
import { createSession, type Feeds, isLowlatError, Tensor } from '@lowlat/core'
import { cloneGraph, createRandom, type Graph, GraphBuilder, onnxFromGraph, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { insertQdq } from '../insert/insert-qdq.ts'
import { Simulation } from '../simulate/simulation.ts'
import type { ActivationParameters, QuantizationParameters } from '../sites.ts'
import { recipes } from '../targets/recipes.ts'
import { conv, gemm } from '../testing/networks.ts'
import { PlainQuantizer } from '../testing/plain-quantizer.ts'
import { foldZeroPoints } from './fold-zero-points.ts'
import { foldableZeroPoints } from './zero-points.ts'

const backend = createBackend()
const { trt } = recipes
const samples = Array.from({ length: 3 }, (_, index): Feeds => {
  const data = createRandom(index + 1).normals(new Float32Array(192), 1)
  return { image: new Tensor('float32', [1, 3, 8, 8], data) }
})

const bounded = (g: GraphBuilder, x: Value) =>
  g.op('Clip', [x, g.scalar('low', 'float32', 0), g.scalar('high', 'float32', 1.5)])

/** All that a zero point can be folded through, and some that it cannot. */
function network(): Graph {
  const g = new GraphBuilder('network')
  const image = g.input('image', 'float32', [1, 3, 8, 8])
  const stem = g.op('MaxPool', [g.op('Relu', [conv(g, 'stem', image, [3, 8])])], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  })
  const left = bounded(g, conv(g, 'left', stem, [8, 4], 1))
  const right = g.op('Relu', [conv(g, 'right', stem, [8, 4], 1)])
  const joined = g.op('Concat', [left, right], { axis: 1 })
  const sum = g.op('Relu', [g.op('Add', [conv(g, 'branch', joined, [8, 8], 1), conv(g, 'shortcut', stem, [8, 8], 1)])])
  const second = g.op('Relu', [g.op('Add', [sum, conv(g, 'identity', sum, [8, 8], 1)])])
  const padded = g.op('Relu', [conv(g, 'padded', second, [8, 8])])
  const hidden = g.op('Relu', [gemm(g, 'hidden', g.op('Flatten', [padded]), [128, 6])])
  g.output('y', gemm(g, 'fc', hidden, [6, 5]), 'float32', [1, 5])
  return g.graph
}

/** A range as far from symmetric as can be, for the values that are foldable. */
async function asymmetric(graph: Graph): Promise<QuantizationParameters> {
  const sites = trt.sites(graph)
  const plain = await new PlainQuantizer(backend).parameters(graph, sites, trt, samples)
  const folds = foldableZeroPoints(graph, sites)
  const activations = new Map(
    [...plain.activations].map(([value, own]): [string, ActivationParameters] =>
      folds.has(value) ? [value, { ...own, scale: own.scale / 2, zeroPoint: -128 }] : [value, own],
    ),
  )
  return { ...plain, activations }
}

async function run(graph: Graph, feeds: Feeds): Promise<Float32Array> {
  await using session = await createSession(onnxFromGraph(graph), { backend, cache: false, warmup: false })
  return (await session.run(feeds)).y!.toFloat32()
}

describe('zero points of a symmetric recipe', () => {
  it('can be folded where everything around commutes with adding a constant', () => {
    const graph = network()
    expect([...foldableZeroPoints(graph, trt.sites(graph)).keys()].sort()).toEqual([
      'Concat',
      'Flatten',
      'MaxPool',
      'Relu_2', // a sum, read by a convolution and by the next sum
      'Relu_5', // between two Gemm
      'branch.Conv',
    ])
  })

  it('mean the same when they are folded', async () => {
    const graph = network()
    const sites = trt.sites(graph)
    const parameters = await asymmetric(graph)
    const { activations, weights } = parameters
    const folded = insertQdq(graph, sites, parameters, trt)
    const zeroPoints = folded.nodes
      .filter(({ opType }) => opType === 'QuantizeLinear')
      .map((node) => Number(node.inputs[2]!.initializer!.tensor.data[0]))
    expect(new Set(zeroPoints)).toEqual(new Set([0]))
    await using simulation = await Simulation.create(graph, sites, { activationType: 'int8', weights, backend })
    for (const feeds of samples) {
      const wanted = (await simulation.run(feeds, { activations })).y!.toFloat32()
      const got = await run(folded, feeds)
      const most = Math.max(...wanted.map(Math.abs))
      // A step may be taken the other way where float32 rounds a bias: much less than the zero points amount to.
      for (const [i, value] of got.entries()) expect(Math.abs(value - wanted[i]!)).toBeLessThan(0.01 * most)
    }
  })

  it('leaves out rectifiers that saturation makes superfluous, and moves the bounds of the others', async () => {
    const graph = network()
    const folded = insertQdq(graph, trt.sites(graph), await asymmetric(graph), trt)
    const named = (name: string) => folded.nodes.find((node) => node.name === name)
    expect(named('Relu_5')).toBeUndefined() // read by a QuantizeLinear alone
    const clip = named('Clip')!
    const [low, high] = [1, 2].map((index) => clip.inputs[index]!.initializer!.tensor.toFloat32()[0]!)
    expect(low).toBeLessThan(0)
    expect(high! - low!).toBeCloseTo(1.5, 5)
    expect(named('Relu')).toMatchObject({ opType: 'Clip' })
    expect(named('Relu_3')).toMatchObject({ opType: 'Relu' }) // read by a convolution that pads
  })

  it('move into the own bias of a float layer, not into one that was corrected for its quantized weight', async () => {
    const graph = network()
    const sites = trt.sites(graph, { nodes: new Set(['hidden.Gemm']) })
    const parameters = await asymmetric(graph)
    expect(foldableZeroPoints(graph, sites).has('Relu_5')).toBe(true)
    const only = new Map([...parameters.activations].filter(([value]) => value === 'Relu_5'))
    const biasAfter = (corrections: Record<string, Float32Array>) => {
      const changed = cloneGraph(graph)
      const biases = new Map(Object.entries(corrections))
      const folded = foldZeroPoints(changed, sites, { ...parameters, activations: only, biases })
      expect(folded.biases.has('hidden.Gemm')).toBe(false)
      return changed.nodes.find(({ name }) => name === 'hidden.Gemm')!.inputs[2]!.initializer!.tensor.toFloat32()
    }
    const own = biasAfter({})
    expect(own).not.toEqual(
      graph.nodes.find(({ name }) => name === 'hidden.Gemm')!.inputs[2]!.initializer!.tensor.toFloat32(),
    )
    expect(biasAfter({ 'hidden.Gemm': new Float32Array(6).fill(9) })).toEqual(own)
  })

  it('are refused where they cannot be folded', async () => {
    const graph = network()
    const parameters = await asymmetric(graph)
    const image = { ...parameters.activations.get('image')!, zeroPoint: 3 }
    const activations = new Map(parameters.activations).set('image', image)
    expect(() => insertQdq(graph, trt.sites(graph), { ...parameters, activations }, trt)).toThrow(
      expect.toSatisfy((error) => isLowlatError(error, 'INVALID_ARGUMENT') && /'image'/.test(String(error))),
    )
  })

  it('stay where a float layer or an output of the model reads the value too', () => {
    const graph = network()
    const floats = { nodes: new Set(['fc.Gemm']) }
    const names = [...foldableZeroPoints(graph, trt.sites(graph, floats)).keys()]
    expect(names).not.toContain('Relu_5')
    graph.addOutput(graph.nodes.find(({ name }) => name === 'Concat')!.outputs[0]!)
    expect(foldableZeroPoints(graph, trt.sites(graph)).has('Concat')).toBe(false)
  })
})
