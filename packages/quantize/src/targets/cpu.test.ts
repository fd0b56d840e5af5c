import { Graph, GraphBuilder } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { conv, gemm, residualNetwork } from '../testing/networks.ts'
import { cpuRecipe } from './cpu.ts'
import type { FloatParts } from './recipe.ts'

/** Readers by value, as 'node:index'. */
function readersOf(graph: Graph, floats?: FloatParts): Record<string, string[]> {
  const { activations } = cpuRecipe.sites(graph, floats)
  return Object.fromEntries(
    activations.map(({ value, readers }) => [value, readers.map(({ node, index }) => `${node}:${index}`).sort()]),
  )
}

const layersOf = (graph: Graph, floats?: FloatParts) => cpuRecipe.sites(graph, floats).weights.map(({ node }) => node)

const image = (g: GraphBuilder) => g.input('image', 'float32', [1, 3, 8, 8])

describe('the recipe for the CPU', () => {
  it('quantizes a residual network from its input to its last layer, whose result stays in float', () => {
    const graph = residualNetwork()
    expect(readersOf(graph)).toEqual({
      image: ['stem.Conv:0'],
      Relu: ['MaxPool:0'],
      MaxPool: ['block1.a.Conv:0', 'block1.shortcut.Conv:0'],
      Relu_1: ['block1.b.Conv:0'],
      'block1.b.Conv': ['Add:0'],
      'block1.shortcut.Conv': ['Add:1'],
      Relu_2: ['Add_1:1', 'block2.a.Conv:0'],
      'block2.a.Conv': ['Add_1:0'],
      Relu_3: ['GlobalAveragePool:0'],
      GlobalAveragePool: ['Flatten:0'],
      Flatten: ['fc.Gemm:0'],
    })
    expect(layersOf(graph)).toHaveLength(6)
  })

  it('gives what only moves elements the scale of its input', () => {
    const groups = new Map(cpuRecipe.sites(residualNetwork()).activations.map(({ value, group }) => [value, group]))
    expect(groups.get('MaxPool')).toBe(groups.get('Relu'))
    expect(groups.get('Flatten')).toBe(groups.get('GlobalAveragePool'))
    expect(new Set(groups.values()).size).toBe(groups.size - 2)
  })

  it('names weights, their channels, biases and inputs', () => {
    const { weights } = cpuRecipe.sites(residualNetwork())
    expect(weights[0]).toEqual({
      node: 'stem.Conv',
      index: 1,
      value: 'stem.weight',
      axis: 0,
      bias: { index: 2, value: 'stem.bias' },
      input: 'image',
    })
  })

  it('leaves linear layers of a transformer to read integers and write floats', () => {
    const g = new GraphBuilder('mlp')
    const x = g.input('x', 'float32', ['batch', 4, 8])
    const linear = (name: string, value: typeof x) =>
      g.op('Add', [g.op('MatMul', [value, g.weights(name, [8, 8], 0.3)]), g.weights('bias', [8], 0.1)])
    const hidden = linear('fc1', x)
    const active = g.op('Mul', [hidden, g.op('Erf', [hidden])])
    const sum = g.op('Add', [linear('fc2', active), x])
    const normal = g.op('LayerNormalization', [sum, g.weights('scale', [8], 1)], { axis: -1 })
    g.output('y', linear('fc3', normal), 'float32', ['batch', 4, 8])
    expect(readersOf(g.graph)).toEqual({ x: ['MatMul:0'], Mul: ['MatMul_1:0'], LayerNormalization: ['MatMul_2:0'] })
    expect(cpuRecipe.sites(g.graph).weights.map(({ axis }) => axis)).toEqual([1, 1, 1])
  })

  it('quantizes SiLU between layers, and leaves what follows the last layer in float', () => {
    const g = new GraphBuilder('silu')
    const silu = (value: ReturnType<typeof image>) => g.op('Mul', [value, g.op('Sigmoid', [value])])
    const last = conv(g, 'b', silu(conv(g, 'a', image(g), [3, 4])), [4, 4])
    g.output('y', g.op('Concat', [g.op('Sigmoid', [last]), last], { axis: 1 }), 'float32', [1, 8, 8, 8])
    expect(readersOf(g.graph)).toEqual({
      image: ['a.Conv:0'],
      'a.Conv': ['Mul:0', 'Sigmoid:0'],
      Sigmoid: ['Mul:1'],
      Mul: ['b.Conv:0'],
      'b.Conv': ['Concat:1', 'Sigmoid_1:0'],
    })
  })

  it('quantizes the inputs of a Concat between layers each with its own scale, unless their ranges are alike', () => {
    const g = new GraphBuilder('concat')
    const x = image(g)
    const joined = g.op('Concat', [conv(g, 'a', x, [3, 4]), conv(g, 'b', x, [3, 4])], { axis: 1 })
    g.output('y', g.op('GlobalAveragePool', [conv(g, 'c', joined, [8, 4])]), 'float32', [1, 4, 1, 1])
    const { activations } = cpuRecipe.sites(g.graph)
    expect(activations.map(({ value }) => value)).toEqual(['image', 'a.Conv', 'b.Conv', 'Concat', 'c.Conv'])
    expect(new Set(activations.map(({ group }) => group)).size).toBe(5)
    const alike = cpuRecipe.sites(g.graph, {}, (value, wider) => value === 'b.Conv' && wider === 'Concat')
    const groups = new Map(alike.activations.map(({ value, group }) => [value, group]))
    expect(groups.get('b.Conv')).toBe(groups.get('Concat'))
    expect(new Set(groups.values()).size).toBe(4)
  })

  it('starts at the first layer: what comes before it stays in float', () => {
    const g = new GraphBuilder('start')
    const x = image(g)
    const shifted = g.op('Add', [g.op('Transpose', [x], { perm: [0, 1, 3, 2] }), x])
    g.output('y', g.op('Relu', [g.op('Relu', [conv(g, 'a', shifted, [3, 4])])]), 'float32', [1, 4, 8, 8])
    expect(readersOf(g.graph)).toEqual({ Add: ['a.Conv:0'], Relu: ['Relu_1:0'] })
  })

  it('keeps a convolution in float whose result is an output of the model, also where a layer reads it', () => {
    const g = new GraphBuilder('output')
    const first = conv(g, 'a', image(g), [3, 4])
    g.output('features', first, 'float32', [1, 4, 8, 8])
    g.output('y', g.op('GlobalAveragePool', [conv(g, 'b', first, [4, 4])]), 'float32', [1, 4, 1, 1])
    expect(layersOf(g.graph)).toEqual(['b.Conv'])
    expect(readersOf(g.graph)).toEqual({ features: ['b.Conv:0'], 'b.Conv': ['GlobalAveragePool:0'] })
  })

  it('treats what the body of an If reads like an output', () => {
    const g = new GraphBuilder('if')
    const first = conv(g, 'a', image(g), [3, 4])
    const branch = () => {
      const body = new Graph('body', g.graph.model)
      body.addOutput(body.addNode({ opType: 'Neg', name: 'inner', inputs: [first] }).outputs[0]!)
      return { type: 'graph' as const, value: body }
    }
    const condition = g.input('condition', 'bool', [])
    g.output('y', g.op('If', [condition], { then_branch: branch(), else_branch: branch() }), 'float32', [1, 4, 8, 8])
    g.output('z', g.op('Relu', [g.op('Relu', [conv(g, 'b', first, [4, 4])])]), 'float32', [1, 4, 8, 8])
    expect(layersOf(g.graph)).toEqual(['b.Conv'])
    expect(readersOf(g.graph)['a.Conv']).toEqual(['b.Conv:0'])
  })

  it('keeps a linear layer in float that would have to write integers and floats', () => {
    const g = new GraphBuilder('both')
    const hidden = gemm(g, 'a', g.input('x', 'float32', [1, 4]), [4, 4])
    g.output('hidden', hidden, 'float32', [1, 4])
    g.output('y', gemm(g, 'b', hidden, [4, 4]), 'float32', [1, 4])
    expect(layersOf(g.graph)).toEqual(['b.Gemm'])
  })

  it('lets all readers read integers where one of them does', () => {
    const g = new GraphBuilder('readers')
    const hidden = gemm(g, 'a', g.input('x', 'float32', [1, 4]), [4, 4])
    g.output('tanh', g.op('Tanh', [hidden]), 'float32', [1, 4])
    g.output('y', gemm(g, 'b', hidden, [4, 4]), 'float32', [1, 4])
    expect(readersOf(g.graph)['a.Gemm']).toEqual(['Tanh:0', 'b.Gemm:0'])
  })

  it('leaves out weights that are not float constants, and layers without an integer kernel', () => {
    const g = new GraphBuilder('unfit')
    const x = image(g)
    const weight = g.op('Relu', [g.weights('w', [4, 3, 1, 1], 1)])
    const computed = g.op('Conv', [x, weight])
    const transposed = g.op('ConvTranspose', [x, g.weights('t', [3, 4, 1, 1], 1)])
    const computedBias = g.op('Conv', [x, g.weights('v', [4, 3, 1, 1], 1), g.op('Relu', [g.weights('b', [4], 1)])])
    for (const [index, value] of [computed, transposed, computedBias].entries()) {
      g.output(`y${index}`, g.op('Relu', [value]), 'float32', [1, 4, 8, 8])
    }
    expect(cpuRecipe.sites(g.graph)).toEqual({ activations: [], weights: [] })
  })

  it('leaves a whole layer in float with its weight, and both its ends where nobody else needs them', () => {
    const graph = residualNetwork()
    const readers = readersOf(graph, { nodes: new Set(['block1.a.Conv']) })
    expect(layersOf(graph, { nodes: new Set(['block1.a.Conv']) })).not.toContain('block1.a.Conv')
    // The shortcut still wants the pooled integers, and the next layer those of the rectifier.
    expect(Object.keys(readers)).toEqual(Object.keys(readersOf(graph)))
  })

  it('leaves in float what cannot do without an activation that stays in float', () => {
    const graph = residualNetwork()
    const floats = { values: new Set(['Relu_2']) }
    expect(layersOf(graph, floats)).not.toContain('block2.a.Conv')
    const readers = readersOf(graph, floats)
    expect(readers).not.toHaveProperty('Relu_2')
    // Its producer is no integer kernel any more, and the sum after the float layer is not one either.
    expect(readers).toHaveProperty(['block1.b.Conv'])
    expect(readers).not.toHaveProperty('Relu_3')
    expect(readers.Flatten).toEqual(['fc.Gemm:0'])
  })
})
