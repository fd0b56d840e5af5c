import { type Dim, isLowlatError, type Shape, Tensor } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import type { AttributeInput } from '../graph/attribute-input.ts'
import { graphFromModel } from '../graph/from-onnx.ts'
import { Graph } from '../graph/graph.ts'
import type { Value } from '../graph/value.ts'
import type { ElementType } from '../graph/value-type.ts'
import { generateGraph, modelNames } from '../models/generate.ts'
import { inferTypes } from './infer-types.ts'
import { claimedOperators } from './rules.ts'

type Attributes = Record<string, AttributeInput>

/** The shape of a node's first output for inputs of these shapes (float32) and constants (int64 lists). */
function shapeOf(
  opType: string,
  inputs: (readonly Dim[] | { is: readonly number[] } | undefined)[],
  attributes: Attributes = {},
) {
  const g = new GraphBuilder('test')
  const values = inputs.map((input, index) => {
    if (!input) return undefined
    return 'is' in input ? g.int64(`c${index}`, input.is) : g.input(`x${index}`, 'float32', input)
  })
  const y = g.op(opType, values, attributes)
  const { contradictions } = inferTypes(g.graph)
  return contradictions[0]?.message ?? y.shape
}

const is = (...values: number[]) => ({ is: values })

describe('inferTypes', () => {
  it('keeps names where only their size passes through, and gives up where there is arithmetic on them', () => {
    expect(shapeOf('Relu', [['batch', 3]])).toEqual(['batch', 3])
    expect(
      shapeOf('Add', [
        ['batch', 1, 4],
        ['seq', 1],
      ]),
    ).toEqual(['batch', 'seq', 4])
    expect(
      shapeOf('Add', [
        ['batch', 4],
        ['seq', 4],
      ]),
    ).toEqual([undefined, 4])
    // Whatever 'n' is, it must broadcast with 5.
    expect(shapeOf('Add', [['n'], [5]])).toEqual([5])
    expect(
      shapeOf('MatMul', [
        ['batch', 'seq', 8],
        [8, 16],
      ]),
    ).toEqual(['batch', 'seq', 16])
    const image = ['batch', 3, 'height', 'width']
    expect(shapeOf('Conv', [image, [8, 3, 3, 3]], { pads: [1, 1, 1, 1] })).toEqual(['batch', 8, 'height', 'width'])
    expect(shapeOf('Conv', [image, [8, 3, 3, 3]])).toEqual(['batch', 8, undefined, undefined])
    expect(
      shapeOf(
        'Concat',
        [
          ['batch', 2],
          ['batch', 3],
        ],
        { axis: 1 },
      ),
    ).toEqual(['batch', 5])
    expect(shapeOf('Concat', [['a'], ['b']], { axis: 0 })).toEqual([undefined])
    expect(shapeOf('Slice', [['batch', 'seq'], is(0), is(2 ** 53), is(1)])).toEqual(['batch', 'seq'])
    expect(shapeOf('Slice', [['batch', 'seq'], is(1), is(2 ** 53), is(1)])).toEqual(['batch', undefined])
    expect(shapeOf('Reshape', [['batch', 12, 8, 4], is(0, 12, -1)])).toEqual(['batch', 12, 32])
    expect(shapeOf('Reshape', [['batch', 'seq', 8], is(-1, 8)])).toEqual([undefined, 8])
    expect(shapeOf('Flatten', [['batch', 2, 3]])).toEqual(['batch', 6])
    expect(shapeOf('Expand', [['batch', 1], is(1, 7)])).toEqual(['batch', 7])
  })

  it('follows sizes through Shape, Gather, Concat and Reshape', () => {
    const g = new GraphBuilder('test')
    const x = g.input('x', 'float32', ['batch', 'seq', 12, 64])
    const shape = g.op('Shape', [x])
    const at = (index: number) =>
      g.op('Unsqueeze', [g.op('Gather', [shape, g.int64('i', [index], [])]), g.int64('0', [0])])
    const [batch, seq] = [at(0), g.op('Slice', [shape, g.int64('1', [1]), g.int64('2', [2])])]
    const doubled = g.op('Mul', [seq, g.int64('two', [2])])
    const merged = g.op('Reshape', [x, g.op('Concat', [batch, seq, g.int64('rest', [-1])], { axis: 0 })])
    const open = g.op('Reshape', [x, g.op('Concat', [batch, doubled, g.int64('rest', [384])], { axis: 0 })])
    // As torch exports expand(-1, ...): sizes that are -1 are taken from another shape.
    const wanted = g.op('Concat', [batch, g.int64('ones', [1])], { axis: 0 })
    const ones = g.op('ConstantOfShape', [g.int64('two', [2])], {
      value: new Tensor('int64', [1], BigInt64Array.of(1n)),
    })
    const none = g.op('Equal', [wanted, g.op('Mul', [ones, g.int64('minus', [-1])])])
    const expanded = g.op('Expand', [g.weights('w', [1, 5], 1), g.op('Where', [none, ones, wanted])])
    const counted = g.op('Range', [g.int64('from', [0], []), g.op('Squeeze', [seq]), g.int64('step', [1], [])])
    const report = inferTypes(g.graph)
    expect(merged.shape).toEqual(['batch', 'seq', 768])
    expect(open.shape).toEqual(['batch', undefined, 384])
    expect(expanded.shape).toEqual(['batch', 5])
    expect(counted.shape).toEqual(['seq'])
    expect(report.unknown.map(({ outputs }) => outputs[0])).toEqual([open])
    const concrete = inferTypes(g.graph, { inputShapes: { x: [2, 3, 12, 64] }, update: false })
    expect(concrete.types.get(open)!.shape).toEqual([2, 6, 384])
    expect(concrete.constants.get(doubled)!.data).toEqual(BigInt64Array.of(6n))
    expect(open.shape).toEqual(['batch', undefined, 384])
  })

  it('replaces names by the sizes of the inputs, everywhere', () => {
    const g = new GraphBuilder('test')
    const a = g.input('a', 'float32', ['batch', 'seq'])
    const b = g.input('b', 'int64', ['batch'])
    const y = g.graph.addNode({ opType: 'Custom', domain: 'my', inputs: [a, b] }).outputs[0]!
    Object.assign(y, { elementType: 'float32', shape: ['seq', 'batch', 'other'] })
    const { types, unclaimed } = inferTypes(g.graph, { inputShapes: { a: [2, 7] }, update: false })
    expect(types.get(b)!.shape).toEqual([2])
    expect(types.get(y)!.shape).toEqual([7, 2, 'other'])
    expect(unclaimed.map(({ opType }) => opType)).toEqual(['Custom'])
    const attempt = (inputShapes: Record<string, Shape>) => () => inferTypes(g.graph, { inputShapes })
    expect(attempt({ c: [1] })).toThrow(
      expect.toSatisfy((e) => isLowlatError(e, 'INPUT_UNKNOWN') && /a, b/.test(e.message)),
    )
    expect(attempt({ a: [2, 7], b: [3] })).toThrow(/\[batch\] with 'batch' of 2 for the input 'b', got \[3\]/)
    expect(attempt({ a: [2] })).toThrow(/Expected \[batch, seq\] for the input 'a', got \[2\]/)
    expect(attempt({ a: [2, -1] })).toThrow(expect.toSatisfy((e) => isLowlatError(e, 'INPUT_SHAPE')))
  })

  it('reports declarations that it contradicts, and goes on with what it found', () => {
    const g = new GraphBuilder('test')
    const y = g.op('Cast', [g.input('x', 'float32', [2, 3])], { to: 7 })
    const z = g.op('Neg', [y])
    g.output('y', y, 'float32', [2, 4])
    g.output('z', z, 'int64', ['n', 3])
    const { contradictions } = inferTypes(g.graph)
    expect(contradictions).toHaveLength(1)
    expect(contradictions[0]!.message).toMatch(
      /float32 \[2, 4\], as declared, for the output 'y' for the Cast node.*int64 \[2, 3\]/,
    )
    expect([z.elementType, z.shape]).toEqual(['int64', [2, 3]])
  })

  it.each<[string, Parameters<typeof shapeOf>, RegExp]>([
    ['operands that do not broadcast', ['Add', [[2], [3]]], /\[2\] and \[3\]/],
    [
      'inner sizes that differ',
      [
        'MatMul',
        [
          [2, 3],
          [4, 5],
        ],
      ],
      /inner sizes to agree.*3 and 4/,
    ],
    [
      'channels that differ',
      [
        'Conv',
        [
          [1, 3, 8, 8],
          [4, 2, 3, 3],
        ],
      ],
      /channels.*3 and 2/,
    ],
    ['windows that do not fit', ['MaxPool', [[1, 1, 2, 2]], { kernel_shape: [3, 3] }], /room for a window of 3/],
    ['strides of 0', ['MaxPool', [[1, 1, 2, 2]], { kernel_shape: [1, 1], strides: [0, 1] }], /at least 1 as strides/],
    ['another number of elements', ['Reshape', [[2, 3], is(4)]], /elements of \[2, 3\]/],
    ['two open sizes', ['Reshape', [[2, 3], is(-1, -1)]], /elements of \[2, 3\]/],
    ['axes outside the rank', ['ReduceMean', [[2, 3]], { axes: [2] }], /axis of 2 axes.*got 2/],
    ['no permutation', ['Transpose', [[2, 3]], { perm: [0, 0] }], /axes that differ/],
    ['negative results', ['Pad', [[2], is(-2, -1)]], /sizes of 0 or more.*\[-1\]/],
    ['a missing attribute', ['Cast', [[2]], { to: 'float' }], /'to' \(int\)/],
    ['an equation with a letter too many', ['Einsum', [[2, 3]], { equation: 'i->i' }], /1 axes for 'i'/],
  ])('reports nodes that cannot work: %s', (_, args, message) => {
    expect(shapeOf(...args)).toMatch(message)
  })

  it('gives every generated model a type for every value, by name', () => {
    for (const name of modelNames.filter((model) => model !== 'bert_base')) {
      const graph = generateGraph(name)
      const { unknown, unclaimed, contradictions } = inferTypes(graph)
      expect({ name, unknown, unclaimed, contradictions }).toEqual({
        name,
        unknown: [],
        unclaimed: [],
        contradictions: [],
      })
    }
  })

  it('names what it claims', () => {
    for (const name of ['Conv', 'Scan', 'com.microsoft:QLinearAdd']) expect(claimedOperators).toContain(name)
  })
})

describe('subgraphs', () => {
  /** A graph inside the builder's, whose body adds nodes and gives its outputs. */
  function inner(
    g: GraphBuilder,
    name: string,
    inputs: [string, ElementType | undefined][],
    body: (graph: Graph, values: Value[]) => Value[],
  ) {
    const graph = new Graph(name, g.graph.model)
    const values = inputs.map(([input, elementType]) => graph.addInput(input, elementType))
    for (const output of body(graph, values)) graph.addOutput(output)
    return { type: 'graph', value: graph } as const
  }

  const node = (graph: Graph, opType: string, inputs: Value[], attributes: Attributes = {}) =>
    graph.addNode({ opType, inputs, attributes }).outputs[0]!

  it('give what both branches have in common, or what the constant condition takes', () => {
    const infer = (condition: (g: GraphBuilder) => Value) => {
      const g = new GraphBuilder('test')
      const x = g.input('x', 'float32', ['n', 4])
      const branches = {
        then_branch: inner(g, 'then', [], (graph) => [node(graph, 'Neg', [x])]),
        else_branch: inner(g, 'else', [], (graph) => [node(graph, 'Concat', [x, x], { axis: 1 })]),
      }
      const y = g.op('If', [condition(g)], branches)
      inferTypes(g.graph)
      return [y.elementType, y.shape]
    }
    expect(infer((g) => g.input('c', 'bool', []))).toEqual(['float32', ['n', undefined]])
    expect(infer((g) => g.scalar('c', 'bool', 1))).toEqual(['float32', ['n', 4]])
    expect(infer((g) => g.scalar('c', 'bool', 0))).toEqual(['float32', ['n', 8]])
  })

  it('know of the states of a loop what holds in every turn', () => {
    const g = new GraphBuilder('test')
    const [fixed, growing] = [g.input('fixed', 'float32', ['n', 2]), g.input('growing', 'float32', [1, 2])]
    let inside: Value | undefined
    const body = inner(
      g,
      'body',
      [
        ['i', 'int64'],
        ['go', 'bool'],
        ['a', undefined],
        ['b', undefined],
      ],
      (graph, [, go, a, b]) => {
        inside = node(graph, 'Concat', [b!, b!], { axis: 0 })
        return [go!, node(graph, 'Neg', [a!]), inside, node(graph, 'Shape', [a!])]
      },
    )
    const turns = g.int64('turns', [5], [])
    const loop = g.graph.addNode({
      opType: 'Loop',
      inputs: [turns, undefined, fixed, growing],
      outputs: 3,
      attributes: { body },
    })
    const { contradictions } = inferTypes(g.graph)
    expect(loop.outputs.map((value) => [value!.elementType, value!.shape])).toEqual([
      ['float32', ['n', 2]],
      ['float32', [undefined, 2]],
      ['int64', [5, 2]],
    ])
    expect(inside!.shape).toEqual([undefined, 2])
    expect(contradictions).toEqual([])
  })

  it('see one element of what is scanned', () => {
    const g = new GraphBuilder('test')
    const [sum, xs] = [g.input('sum', 'float32', [3]), g.input('xs', 'float32', [3, 'seq'])]
    const body = inner(
      g,
      'body',
      [
        ['s', undefined],
        ['x', undefined],
      ],
      (graph, [s, x]) => {
        const next = node(graph, 'Add', [s!, x!])
        return [next, node(graph, 'Identity', [next])]
      },
    )
    const attributes = { body, num_scan_inputs: 1, scan_input_axes: [1], scan_output_axes: [-1] }
    const scan = g.graph.addNode({ opType: 'Scan', inputs: [sum, xs], outputs: 2, attributes })
    inferTypes(g.graph)
    expect(scan.outputs.map((value) => value!.shape)).toEqual([[3], [3, 'seq']])
  })

  it('are refused where loops are nested beyond reason', () => {
    const g = new GraphBuilder('test')
    const x = g.input('x', 'float32', [1])
    // Every loop takes two turns of inference until its state settles, and so do those within it, each time.
    const nest = (graph: Graph, depth: number): void => {
      if (depth === 0) return
      const body = new Graph(`body${depth}`, g.graph.model)
      const [, go, state] = [body.addInput('i', 'int64'), body.addInput('go', 'bool'), body.addInput('s')]
      for (const output of [go!, node(body, 'Concat', [state!, state!], { axis: 0 })]) body.addOutput(output)
      nest(body, depth - 1)
      const attributes = { body: { type: 'graph', value: body } } as const
      graph.addNode({ opType: 'Loop', inputs: [undefined, undefined, x], attributes })
    }
    nest(g.graph, 14)
    const { contradictions } = inferTypes(g.graph)
    expect(contradictions.some((error) => error.code === 'MODEL_UNSUPPORTED')).toBe(true)
  })
})

describe('defaults of inputs', () => {
  const tensor = (elemType: number, ...dim: { dimValue?: bigint; dimParam?: string }[]) => ({
    tensorType: { elemType, shape: { dim } },
  })
  const model = {
    irVersion: 8n,
    opsetImport: [{ version: 17n }],
    graph: {
      input: [
        { name: 'x', type: tensor(1, { dimValue: 2n }, { dimValue: 3n }) },
        { name: 'shape', type: tensor(7, { dimParam: 'rank' }) },
      ],
      initializer: [{ name: 'shape', dims: [1n], dataType: 7, int64Data: [6n] }],
      node: [{ opType: 'Reshape', input: ['x', 'shape'], output: ['y'] }],
      output: [{ name: 'y' }],
    },
  }

  it('are constants, unless a shape says that the input is fed', () => {
    const outputShape = (inputShapes: Record<string, Shape>) => {
      const graph = graphFromModel(model)
      inferTypes(graph, { inputShapes })
      return graph.outputs[0]!.shape
    }
    expect(outputShape({})).toEqual([6])
    expect(outputShape({ shape: [1] })).toEqual([6]) // what is left of 2 x 3 elements
    expect(outputShape({ shape: [2] })).toEqual([undefined, undefined])
  })
})
