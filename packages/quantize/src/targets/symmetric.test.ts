import { type Graph, GraphBuilder } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { conv, residualNetwork } from '../testing/networks.ts'
import type { FloatParts } from './recipe.ts'
import { recipes } from './recipes.ts'

function readersOf(graph: Graph, floats?: FloatParts): Record<string, string[]> {
  const { activations } = recipes.trt.sites(graph, floats)
  return Object.fromEntries(
    activations.map(({ value, readers }) => [value, readers.map(({ node, index }) => `${node}:${index}`).sort()]),
  )
}

describe('the recipe for NVIDIA GPUs', () => {
  it('is symmetric int8 on both sides, the same for both backends', () => {
    const { cuda, trt } = recipes
    expect({ ...cuda, target: 'trt' }).toEqual(trt)
    expect(trt.activation).toEqual({ dtype: 'int8', symmetric: true })
    expect(trt.weight).toEqual({ dtype: 'int8', symmetric: true })
  })

  it('quantizes inputs of layers and shortcuts, and leaves to a convolution what fuses into it', () => {
    expect(readersOf(residualNetwork())).toEqual({
      image: ['stem.Conv:0'],
      MaxPool: ['block1.a.Conv:0', 'block1.shortcut.Conv:0'],
      Relu_1: ['block1.b.Conv:0'],
      // The later of two convolutions adds the other one's result.
      'block1.b.Conv': ['Add:0'],
      Relu_2: ['Add_1:1', 'block2.a.Conv:0'],
      Relu_3: ['GlobalAveragePool:0'],
      Flatten: ['fc.Gemm:0'],
    })
  })

  it('quantizes both inputs of a sum that no convolution can take over', () => {
    const g = new GraphBuilder('shared')
    const x = g.input('image', 'float32', [1, 3, 8, 8])
    const [a, b] = [conv(g, 'a', x, [3, 4]), conv(g, 'b', x, [3, 4])]
    const sum = g.op('Add', [a, b])
    const product = g.op('Sub', [a, b])
    g.output('y', conv(g, 'c', g.op('Sub', [sum, product]), [4, 4]), 'float32', [1, 4, 8, 8])
    expect(readersOf(g.graph)).toMatchObject({ 'a.Conv': ['Add:0'], 'b.Conv': ['Add:1'] })
  })

  it('leaves sums of a transformer alone', () => {
    const g = new GraphBuilder('mlp')
    const x = g.input('x', 'float32', ['batch', 4, 8])
    const linear = g.op('MatMul', [x, g.weights('w', [8, 8], 0.3)])
    g.output('y', g.op('Add', [g.op('Add', [linear, g.weights('bias', [8], 1)]), x]), 'float32', ['batch', 4, 8])
    expect(readersOf(g.graph)).toEqual({ x: ['MatMul:0'] })
  })

  it('takes grouped ConvTranspose with one scale, and others per channel', () => {
    const g = new GraphBuilder('transposed')
    const x = g.input('image', 'float32', [1, 4, 8, 8])
    const plain = g.op('ConvTranspose', [x, g.weights('a', [4, 6, 1, 1], 1)])
    g.output(
      'y',
      g.op('ConvTranspose', [plain, g.weights('b', [6, 2, 1, 1], 1)], { group: 2 }),
      'float32',
      [1, 4, 8, 8],
    )
    expect(recipes.trt.sites(g.graph).weights.map(({ axis }) => axis)).toEqual([1, undefined])
  })

  it('leaves in float what is asked for', () => {
    const graph = residualNetwork()
    expect(readersOf(graph, { values: new Set(['Relu_2']) })).not.toHaveProperty('Relu_2')
    const { weights } = recipes.trt.sites(graph, { nodes: new Set(['stem.Conv']), values: new Set(['Relu_2']) })
    expect(weights.map(({ node }) => node)).toEqual([
      'block1.a.Conv',
      'block1.b.Conv',
      'block1.shortcut.Conv',
      'fc.Gemm',
    ])
  })
})
