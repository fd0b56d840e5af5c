import { type DType, dtypes, isDType, Tensor } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { float, floats } from '../graph/attribute-input.ts'
import { cloneGraph } from '../graph/clone.ts'
import { graphFromModel } from '../graph/from-onnx.ts'
import { Initializer } from '../graph/initializer.ts'
import { dotFromGraph } from './dot.ts'
import { constantText } from './labels.ts'
import { textFromGraph } from './text.ts'

function build() {
  const g = new GraphBuilder('net "1"', { opset: 17 })
  const x = g.input('x', 'float32', ['batch', 2])
  const scaled = g.op('Mul', [x, g.constant('scale', new Tensor('float32', [2], Float32Array.of(0.1, -2)))])
  const clipped = g.op('Clip', [scaled, undefined, g.scalar('max', 'float32', 6)])
  const odd = g.op('Odd one', [clipped, g.weights('w', [3, 3], 1)], {
    alpha: float(0.1),
    list: Array.from({ length: 20 }, (_, i) => i),
    rates: floats([0.5]),
    text: 'a\nb',
  })
  odd.producer!.domain = 'custom'
  odd.producer!.name = ''
  g.output('y', odd, 'float32', ['batch', 2])
  return g.graph
}

const branch = {
  name: 'branch',
  node: [{ opType: 'Neg', name: 'inner', input: ['h'], output: ['n'] }],
  output: [{ name: 'n' }],
}
const conditional = () =>
  graphFromModel({
    opsetImport: [{ version: 17n }],
    graph: {
      name: 'g',
      input: [{ name: 'c' }, { name: 'x' }],
      node: [
        { opType: 'Relu', name: 'relu', input: ['x'], output: ['h'] },
        {
          opType: 'If',
          name: 'if',
          input: ['c'],
          output: ['y'],
          attribute: [{ name: 'then_branch', type: 5, g: branch }],
        },
      ],
      output: [{ name: 'y' }],
    },
  })

describe('textFromGraph', () => {
  it('has a line per node with operator, inputs, attributes and outputs', () => {
    expect(textFromGraph(build())).toBe(`graph "net \\"1\\"": IR 8, operators ONNX 17, by lowlat
input x: float32 [batch, 2]
output y: float32 [batch, 2]
3 weights, 48 bytes
3 nodes
  Mul = Mul(x: float32 [batch, 2], scale = float32 [2] {0.1, -2}) -> Mul: ? [...]
  Clip = Clip(Mul: ? [...], -, max = float32 [] {6}) -> Clip: ? [...]
  #2 = custom."Odd one"(Clip: ? [...], w = float32 [3, 3]) {alpha: 0.1, list: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, ... 4 more], rates: [0.5], text: "a\\nb"} -> y: float32 [batch, 2]
`)
  })

  it('shows subgraphs below their node', () => {
    expect(textFromGraph(conditional())).toMatch(
      / {2}if = If\(c: .*\) \{then_branch: graph branch\} -> y: .*\n {4}graph branch\(\) -> n\n {6}inner = Neg\(h: .*\n$/,
    )
  })

  it('is the same for an equal graph', () => {
    expect(textFromGraph(cloneGraph(build()))).toBe(textFromGraph(build()))
  })

  it('shows small constants of every type', () => {
    for (const dtype of Object.keys(dtypes).filter(isDType)) {
      const text = constantText(Initializer.fromTensor(Tensor.zeros<DType>(dtype, [2])))
      const hidden = dtypes[dtype].bits < 8 || dtypes[dtype].kind === 'complex'
      expect(text).toMatch(hidden ? `${dtype} [2]` : /^\w+ \[2\] \{\S+, \S+\}$/)
    }
    expect(constantText(Initializer.fromStrings([1], ['a'.repeat(100)]))).toBe(`string [1] {"${'a'.repeat(60)}..."}`)
    const elsewhere = { dims: [1n], dataType: 1, dataLocation: 1 }
    expect(constantText(Initializer.fromMessage(elsewhere))).toBe('float32 [1] in another file')
    expect(constantText(Initializer.fromMessage({ dims: [1n], dataType: 99 }))).toBe('? [1]')
  })
})

describe('dotFromGraph', () => {
  it('draws nodes, weights as part of them, and values as arrows', () => {
    expect(dotFromGraph(build())).toBe(`digraph "net \\"1\\"" {
  rankdir=TB
  node [shape=box]
  input0 [label="x", shape=ellipse]
  node0 [label="Mul\\nMul\\nfloat32 [2]"]
  node1 [label="Clip\\nClip\\nfloat32 []"]
  node2 [label="Odd one\\nfloat32 [3, 3]"]
  output0 [label="y", shape=ellipse]
  input0 -> node0 [label="float32 [batch, 2]"]
  node0 -> node1 [label="? [...]"]
  node1 -> node2 [label="? [...]"]
  node2 -> output0 [label="float32 [batch, 2]"]
}
`)
  })

  it('draws what a subgraph reads as a dashed arrow', () => {
    expect(dotFromGraph(conditional())).toContain('node0 -> node1 [label="? [...]", style=dashed]')
  })

  it('draws many nodes as one', () => {
    const dot = dotFromGraph(build(), { maxNodes: 1 })
    expect(dot).toContain('more [label="2 more nodes", style=dashed]')
    expect(dot.match(/->/g)).toHaveLength(3)
  })
})
