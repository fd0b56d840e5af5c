import { isLowlatError } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { expectClose } from '../testing/apply-pass.ts'
import { randomFeeds, runModel } from '../testing/run-model.ts'
import { cloneGraph, exposeValues } from './clone.ts'
import { extractGraph } from './extract.ts'
import { graphFromModel } from './from-onnx.ts'
import { modelFromGraph, onnxFromGraph } from './to-onnx.ts'

/** x -> Add(w) -> a -> Relu -> b; c = b * z */
function build() {
  const g = new GraphBuilder('test')
  const x = g.input('x', 'float32', ['batch', 3])
  const z = g.input('z', 'float32', [3])
  const a = g.op('Add', [x, g.weights('w', [3], 1)])
  const b = g.op('Relu', [a])
  for (const [value, name] of [
    [a, 'a'],
    [b, 'b'],
  ] as const) {
    g.graph.rename(value, name)
    Object.assign(value, { elementType: 'float32', shape: ['batch', 3] })
  }
  g.output('c', g.op('Mul', [b, z]), 'float32', ['batch', 3])
  return g.graph
}

const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return isLowlatError(error) ? error.code : error
  }
  return undefined
}

describe('cloneGraph', () => {
  it('gives a graph of its own that shares the bytes of weights', () => {
    const graph = build()
    const clone = cloneGraph(graph)
    expect(modelFromGraph(clone)).toEqual(modelFromGraph(graph))
    expect(clone.initializers[0]!.initializer!.message.rawData).toBe(
      graph.initializers[0]!.initializer!.message.rawData,
    )
    clone.rename(clone.nodes[0]!.outputs[0]!, 'other')
    clone.model.metadata.set('key', 'value')
    expect(graph.nodes[0]!.outputs[0]!.name).toBe('a')
    expect(graph.model.metadata.size).toBe(0)
  })
})

describe('exposeValues', () => {
  it('adds outputs that a run gives, each once, and leaves the graph alone', async () => {
    const graph = build()
    const exposed = exposeValues(graph, ['b', 'a', 'b', 'c'])
    expect(exposed.outputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['c', ['batch', 3]],
      ['b', ['batch', 3]],
      ['a', ['batch', 3]],
    ])
    expect(graph.outputs).toHaveLength(1)
    const bytes = onnxFromGraph(exposed)
    const { a, b } = await runModel(bytes, randomFeeds(bytes, { batch: 2 }))
    expect(b!.data).toEqual((a!.data as Float32Array).map((value) => Math.max(0, value)))
  })

  it('exposes values whose type is unknown', async () => {
    const graph = build()
    Object.assign(graph.nodes[0]!.outputs[0]!, { elementType: undefined, shape: undefined })
    const bytes = onnxFromGraph(exposeValues(graph, ['a']))
    const outputs = await runModel(bytes, randomFeeds(onnxFromGraph(graph), { batch: 2 }))
    expect(outputs.a!.dims).toEqual([2, 3])
  })

  it.each(['x', 'w', 'nothing'])('refuses %s, which no node computes', (name) => {
    expect(codeOf(() => exposeValues(build(), [name]))).toBe('OUTPUT_UNKNOWN')
  })
})

describe('extractGraph', () => {
  it('gives the part between values, which computes the same', async () => {
    const graph = build()
    const whole = onnxFromGraph(exposeValues(graph, ['a', 'b']))
    const all = await runModel(whole, randomFeeds(whole, { batch: 2 }))
    const tail = extractGraph(graph, { inputs: ['a', 'z'], outputs: ['c', 'b'] })
    expect([tail.nodes.length, tail.initializers.length]).toEqual([2, 0])
    const { z } = randomFeeds(whole, { batch: 2 })
    expectClose(await runModel(onnxFromGraph(tail), { a: all.a!, z: z! }), { c: all.c!, b: all.b! }, 0)
    const head = extractGraph(graph, { inputs: ['x'], outputs: ['b'] })
    expect(head.nodes.map(({ opType }) => opType)).toEqual(['Add', 'Relu'])
    expect(head.initializers.map(({ name }) => name)).toEqual(['w'])
  })

  it('takes a weight as an input', () => {
    const part = extractGraph(build(), { inputs: ['x', 'w'], outputs: ['a'] })
    expect(part.requiredInputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['x', ['batch', 3]],
      ['w', [3]],
    ])
    expect(part.initializers).toEqual([])
  })

  it('keeps what only a subgraph reads', () => {
    const branch = { name: 'b', node: [{ opType: 'Neg', input: ['h'], output: ['n'] }], output: [{ name: 'n' }] }
    const float = { tensorType: { elemType: 1 } }
    const graph = graphFromModel({
      opsetImport: [{ version: 17n }],
      graph: {
        input: [
          { name: 'c', type: float },
          { name: 'x', type: float },
        ],
        node: [
          { opType: 'Relu', input: ['x'], output: ['h'] },
          { opType: 'If', input: ['c'], output: ['y'], attribute: [{ name: 'then_branch', type: 5, g: branch }] },
        ],
        output: [{ name: 'y', type: float }],
      },
    })
    expect(extractGraph(graph, { inputs: ['c', 'x'], outputs: ['y'] }).nodes).toHaveLength(2)
    expect(codeOf(() => extractGraph(graph, { inputs: ['c'], outputs: ['y'] }))).toBe('INPUT_MISSING')
  })

  it.each<[string, string[], string[], string]>([
    ['inputs that do not cut it', ['a'], ['c'], 'INPUT_MISSING'],
    ['an unknown input', ['nothing'], ['c'], 'INPUT_UNKNOWN'],
    ['an unknown output', ['x'], ['nothing'], 'OUTPUT_UNKNOWN'],
  ])('refuses %s', (_, inputs, outputs, code) => {
    expect(codeOf(() => extractGraph(build(), { inputs, outputs }))).toBe(code)
  })

  it('names what is missing, and a value without a type', () => {
    const graph = build()
    expect(() => extractGraph(graph, { inputs: ['a'], outputs: ['c'] })).toThrow(/got 'a': .*'z' is still needed/)
    graph.nodes[0]!.outputs[0]!.elementType = undefined
    expect(() => extractGraph(graph, { inputs: ['a', 'z'], outputs: ['c'] })).toThrow(/known type.*'a'.*inferTypes/)
  })
})
