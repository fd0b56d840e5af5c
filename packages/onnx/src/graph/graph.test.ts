import { Tensor } from '@lowlat/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { encodeModel } from '../codec/model.ts'
import { float } from './attribute-input.ts'
import { checkGraph } from './check.ts'
import { graphFromModel, graphFromOnnx } from './from-onnx.ts'
import type { Graph } from './graph.ts'
import { topologicalOrder, walkNodes } from './order.ts'
import { modelFromGraph, onnxFromGraph } from './to-onnx.ts'
import type { Value } from './value.ts'

let builder: GraphBuilder
let graph: Graph
let x: Value
let hidden: Value
let y: Value

/** x -> Relu -> Add(weight) -> y */
beforeEach(() => {
  builder = new GraphBuilder('test')
  graph = builder.graph
  x = builder.input('x', 'float32', ['batch', 2])
  hidden = builder.op('Relu', [x])
  y = builder.op('Add', [hidden, builder.weights('w', [2], 1)])
  builder.output('y', y, 'float32', ['batch', 2])
})

const roundTrip = () => graphFromOnnx(onnxFromGraph(graph))
const operators = (of: Graph) => of.nodes.map(({ opType }) => opType)

describe('connections', () => {
  it('know producers and every use', () => {
    const [relu, add] = graph.nodes
    expect(hidden.producer).toBe(relu)
    expect(hidden.uses).toEqual([{ kind: 'node', node: add, index: 0 }])
    expect(y.uses).toEqual([{ kind: 'output', graph, index: 0 }])
  })

  it('follow changes of inputs', () => {
    const add = graph.nodes[1]!
    add.setInput(0, x)
    expect(hidden.uses).toEqual([])
    expect(x.uses).toHaveLength(2)
    add.setInputs([x, undefined, x])
    expect(x.uses.map(({ index }) => index)).toEqual([0, 0, 2])
  })

  it('let a node be put next to another and the one it replaces be removed', () => {
    const relu = graph.nodes[0]!
    const sigmoid = graph.addNode({ opType: 'Sigmoid', inputs: [x] }, { before: relu })
    expect(() => graph.removeNode(relu)).toThrow(/still read.*replaceUses/)
    graph.replaceUses(hidden, sigmoid.outputs[0]!)
    graph.removeNode(relu)
    expect(x.uses).toHaveLength(1)
    expect(operators(roundTrip())).toEqual(['Sigmoid', 'Add'])
  })

  it('keep the name of a graph output whose value is replaced', () => {
    const clip = graph.addNode({ opType: 'Clip', inputs: [y] })
    graph.replaceUses(y, clip.outputs[0]!, clip)
    expect(clip.inputs[0]).toBe(y)
    const loaded = roundTrip()
    expect(loaded.outputs[0]?.name).toBe('y')
    expect(loaded.outputs[0]?.producer?.opType).toBe('Clip')
    expect(loaded.outputs[0]?.shape).toEqual(['batch', 2])
  })

  it('refuse to give an output the value of an input', () => {
    expect(() => graph.replaceUses(y, x)).toThrow(/Identity/)
    expect(y.uses).toHaveLength(1)
  })

  it('rename values everywhere', () => {
    graph.rename(x, 'image')
    const loaded = roundTrip()
    expect(loaded.inputs[0]?.name).toBe('image')
    expect(loaded.nodes[0]?.inputs[0]?.name).toBe('image')
    expect(() => graph.rename(x, 'y')).toThrow(/not in use/)
    expect(graph.uniqueName('y')).toBe('y_1')
  })

  it('remove inputs and initializers that nothing reads', () => {
    const unused = builder.weights('unused', [1], 1)
    graph.removeValue(unused)
    expect(graph.initializers).not.toContain(unused)
    expect(() => graph.removeValue(x)).toThrow(/still read/)
  })
})

describe('attributes', () => {
  it('are typed, with a fallback where they are absent', () => {
    const node = graph.addNode({
      opType: 'Any',
      inputs: [],
      attributes: {
        axis: -1,
        alpha: float(1),
        pads: [1, 2],
        mode: 'linear',
        names: ['a', 'b'],
        t: Tensor.zeros('int8', [1]),
      },
    })
    const loaded = roundTrip().nodes.at(-1)!
    for (const one of [node, loaded]) {
      expect(one.int('axis')).toBe(-1)
      expect(one.int('absent', 3)).toBe(3)
      expect(one.float('alpha')).toBe(1)
      expect(one.ints('pads')).toEqual([1, 2])
      expect(one.string('mode')).toBe('linear')
      expect(one.strings('names')).toEqual(['a', 'b'])
      expect(one.tensor('t').tensor.dtype).toBe('int8')
      expect(() => one.int('mode')).toThrow(/'mode' \(int\) of the Any node.*got string/)
      expect(() => one.graph('absent')).toThrow(/got none/)
    }
  })

  it('ask for a mark on floats', () => {
    expect(() => graph.addNode({ opType: 'Elu', inputs: [x], attributes: { alpha: 0.5 } })).toThrow(/float\(value\)/)
  })

  it('are replaced by setting them anew', () => {
    graph.nodes[0]!.setAttribute('to', { type: 'int', value: 10n })
    expect(roundTrip().nodes[0]!.int('to')).toBe(10)
  })

  it('of versions before types, of functions and of bytes survive', () => {
    const attribute = [
      { name: 'old', ints: [1n, 2n] },
      { name: 'blob', type: 3, s: Uint8Array.of(0xff, 0xfe) },
      { name: 'ref', type: 1, refAttrName: 'outer' },
    ]
    const model = { opsetImport: [{ version: 1n }], graph: { node: [{ opType: 'A', attribute }] } }
    const loaded = graphFromModel(model)
    expect(loaded.nodes[0]!.ints('old')).toEqual([1, 2])
    expect(loaded.nodes[0]!.attributes.get('blob')?.type).toBe('other')
    expect(modelFromGraph(loaded).graph?.node?.[0]?.attribute).toEqual(attribute)
  })
})

describe('subgraphs', () => {
  const branch = (output: string) => ({
    name: output,
    node: [{ opType: 'Neg', input: ['outer'], output: [output] }],
    output: [{ name: output }],
  })
  const model = {
    irVersion: 8n,
    opsetImport: [{ version: 17n }],
    graph: {
      input: [{ name: 'condition' }, { name: 'x' }],
      node: [
        {
          opType: 'If',
          input: ['condition'],
          output: ['y'],
          attribute: [
            { name: 'then_branch', type: 5, g: branch('a') },
            { name: 'else_branch', type: 5, g: branch('b') },
          ],
        },
        // Produced after the node that reads it: files need not be sorted.
        { opType: 'Relu', input: ['x'], output: ['outer'] },
      ],
      output: [{ name: 'y' }],
    },
  }

  it('read values of the graph around them', () => {
    const loaded = graphFromModel(model)
    const outer = loaded.nodes[1]!.outputs[0]!
    expect(outer.uses).toHaveLength(2)
    expect([...walkNodes(loaded)].map(({ opType }) => opType)).toEqual(['If', 'Neg', 'Neg', 'Relu'])
    expect(topologicalOrder(loaded).map(({ opType }) => opType)).toEqual(['Relu', 'If'])
    expect(() => loaded.removeNode(outer.producer!)).toThrow(/still read/)
  })

  it('follow a rename, and are written as edited', () => {
    const loaded = graphFromModel(model)
    loaded.rename(loaded.nodes[1]!.outputs[0]!, 'renamed')
    const written = modelFromGraph(loaded).graph?.node?.[0]?.attribute?.[0]?.g
    expect(written?.node?.[0]?.input).toEqual(['renamed'])
  })

  it('release what they read when their node is removed or gets another attribute', () => {
    const loaded = graphFromModel(model)
    const [node, relu] = loaded.nodes
    node!.removeAttribute('then_branch')
    expect(relu!.outputs[0]!.uses).toHaveLength(1)
    loaded.setOutput(0, relu!.outputs[0]!)
    loaded.removeNode(node!)
    expect(relu!.outputs[0]!.uses).toEqual([{ kind: 'output', graph: loaded, index: 0 }])
  })
})

describe('losslessness', () => {
  it('keeps everything that the graph has no field for', () => {
    const unknownFields = [Uint8Array.of(0xc0, 0x3e, 1)]
    const metadataProps = [{ key: 'k', value: 'v' }]
    const model = {
      irVersion: 10n,
      docString: 'doc',
      opsetImport: [{ domain: 'ai.onnx', version: 21n, unknownFields }],
      metadataProps,
      functions: [{ name: 'f', domain: 'local' }],
      configuration: [{ name: 'c', numDevices: 2 }],
      trainingInfo: [{ algorithm: { name: 'a' } }],
      unknownFields,
      graph: {
        name: 'g',
        docString: 'graph',
        metadataProps,
        unknownFields,
        quantizationAnnotation: [{ tensorName: 'x' }],
        sparseInitializer: [{ values: { name: 's', dims: [0n] }, dims: [2n] }],
        initializer: [{ name: 'w', docString: 'weight', dims: [1n], dataType: 1, floatData: [1], unknownFields }],
        input: [{ name: 'x', docString: 'input', type: { sequenceType: { elemType: { denotation: 'd' } } } }],
        node: [
          {
            input: ['x', '', 's'],
            output: ['y', ''],
            opType: 'A',
            domain: 'local',
            overload: 'o',
            metadataProps,
            unknownFields,
            deviceConfigurations: [{ configurationId: 'c' }],
          },
        ],
        output: [{ name: 'y', type: { tensorType: { elemType: 1, shape: { dim: [{}, { denotation: 'D' }] } } } }],
        valueInfo: [
          { name: 'nowhere' },
          { name: 'y', type: { tensorType: { elemType: 1 } } },
          { name: 'w', docString: 'again', type: { tensorType: { elemType: 1 } } },
        ],
      },
    }
    const bytes = encodeModel(model)
    expect(onnxFromGraph(graphFromOnnx(bytes))).toEqual(bytes)
  })

  it('writes what was edited, and drops declarations that it contradicts', () => {
    const tensorType = { elemType: 1, shape: { dim: [{ dimValue: 2n }] } }
    const loaded = graphFromModel({
      opsetImport: [{ version: 17n }],
      graph: {
        input: [{ name: 'x', type: { tensorType } }],
        initializer: [{ name: 'w', dims: [0n], dataType: 1 }],
        node: [{ opType: 'Relu', input: ['x'], output: ['h'] }],
        valueInfo: [
          { name: 'w', type: { tensorType } },
          { name: 'h', type: { tensorType } },
        ],
      },
    })
    loaded.model.opsetImports.set('com.microsoft', 1)
    loaded.model.metadata.set('key', 'value')
    loaded.inputs[0]!.shape = ['n', undefined]
    loaded.initializers[0]!.elementType = 'float16'
    loaded.nodes[0]!.outputs[0]!.elementType = 'float16'
    const { opsetImport, metadataProps, graph: written } = modelFromGraph(loaded)
    expect(opsetImport).toEqual([
      { domain: '', version: 17n },
      { domain: 'com.microsoft', version: 1n },
    ])
    expect(metadataProps).toEqual([{ key: 'key', value: 'value' }])
    expect(written?.input?.[0]?.type?.tensorType?.shape?.dim).toEqual([{ dimParam: 'n' }, {}])
    expect(written?.valueInfo).toEqual([
      { name: 'h', type: { tensorType: { elemType: 10, shape: { dim: [{ dimValue: 2n }] } } } },
    ])
  })
})

describe('invalid graphs', () => {
  const load = (fields: NonNullable<Parameters<typeof graphFromModel>[0]['graph']>) => () =>
    graphFromModel({ graph: fields })

  it.each([
    ['a value that nothing defines', load({ node: [{ opType: 'Relu', input: ['x'] }] }), /'x'.*Relu.*none/],
    ['an output that nothing defines', load({ output: [{ name: 'y' }] }), /'y'/],
    ['a value that is defined twice', load({ input: [{ name: 'x' }, { name: 'x' }] }), /'x', got two/],
    ['two initializers of one name', load({ initializer: [{ name: 'w' }, { name: 'w' }] }), /'w', got two/],
    ['an initializer without a name', load({ initializer: [{}] }), /name for an initializer/],
    ['a node without an operator', load({ node: [{}] }), /operator/],
    [
      'a graph attribute without a graph',
      load({ node: [{ opType: 'If', attribute: [{ name: 'g', type: 5 }] }] }),
      /hold a graph/,
    ],
  ])('refuses %s', (_, run, message) => {
    expect(run).toThrow(message)
  })

  it('refuses to write a cycle, or a value of another graph', () => {
    graph.nodes[0]!.setInput(0, hidden)
    expect(() => onnxFromGraph(graph)).toThrow(/cycle.*Relu/)
    graph.nodes[0]!.setInput(0, new GraphBuilder('other').input('x', 'float32', []))
    expect(() => checkGraph(graph)).toThrow(/'x', which is not in it/)
  })
})
