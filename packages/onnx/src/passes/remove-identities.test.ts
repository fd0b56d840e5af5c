import { Tensor } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import type { GraphBuilder } from '../build/graph-builder.ts'
import { float, floats } from '../graph/attribute-input.ts'
import type { Value } from '../graph/value.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { removeIdentities } from './remove-identities.ts'

/** Relu, then the node in question, then Neg. */
const between = (body: (g: GraphBuilder, x: Value) => Value) => (g: GraphBuilder) => {
  const x = g.op('Relu', [g.input('x', 'float32', ['batch', 3, 4])])
  Object.assign(x, { elementType: 'float32', shape: ['batch', 3, 4] })
  g.output('y', g.op('Neg', [body(g, x)]), 'float32', ['a', 'b', 'c'])
}
const FLOAT = 1
const bool = (g: GraphBuilder, value: 0 | 1) => g.constant('flag', new Tensor('bool', [], Uint8Array.of(value)))
const END = 2 ** 31 - 1

describe('nodes without effect are removed', () => {
  it.each<[string, (g: GraphBuilder, x: Value) => Value, number?]>([
    ['Identity', (g, x) => g.op('Identity', [x])],
    ['Dropout', (g, x) => g.op('Dropout', [x])],
    ['Dropout that says it', (g, x) => g.op('Dropout', [x, g.scalar('ratio', 'float32', 0.5), bool(g, 0)])],
    ['Dropout of old', (g, x) => g.op('Dropout', [x], { ratio: float(0.3) }), 9],
    ['Cast to its own type', (g, x) => g.op('Cast', [x], { to: FLOAT })],
    ['Concat of one', (g, x) => g.op('Concat', [x], { axis: 1 })],
    ['Sum of one', (g, x) => g.op('Sum', [x])],
    ['Transpose', (g, x) => g.op('Transpose', [x], { perm: [0, 1, 2] })],
    ['Reshape with one open size', (g, x) => g.op('Reshape', [x, g.int64('s', [0, -1, 4])])],
    ['Reshape with the sizes that are', (g, x) => g.op('Reshape', [x, g.int64('s', [-1, 3, 4])])],
    ['Expand to nothing larger', (g, x) => g.op('Expand', [x, g.int64('s', [1, 1])])],
    ['Tile once', (g, x) => g.op('Tile', [x, g.int64('r', [1, 1, 1])])],
    ['Pad by nothing', (g, x) => g.op('Pad', [x, g.int64('p', [0, 0, 0, 0, 0, 0])])],
    ['Pad by nothing, of old', (g, x) => g.op('Pad', [x], { pads: [0, 0, 0, 0, 0, 0] }), 10],
    [
      'Slice from 0 to the end',
      (g, x) => g.op('Slice', [x, g.int64('s', [0]), g.int64('e', [END]), g.int64('a', [0])]),
    ],
    ['Slice to a known size', (g, x) => g.op('Slice', [x, g.int64('s', [0]), g.int64('e', [4]), g.int64('a', [-1])])],
    ['Slice of old', (g, x) => g.op('Slice', [x], { starts: [0], ends: [9], axes: [2] }), 9],
    [
      'Resize by 1',
      (g, x) => g.op('Resize', [x, undefined, g.constant('s', new Tensor('float32', [3], Float32Array.of(1, 1, 1)))]),
    ],
    ['Upsample by 1', (g, x) => g.op('Upsample', [x], { scales: floats([1, 1, 1]) }), 8],
  ])('%s', async (_, body, opset = 17) => {
    const { operators, changes } = await applyPass(removeIdentities, between(body), { opset })
    expect([operators, changes]).toEqual(['Relu Neg', 1])
  })
})

describe('nodes with an effect stay', () => {
  it.each<[string, (g: GraphBuilder, x: Value) => Value, number?]>([
    ['Cast', (g, x) => g.op('Cast', [g.op('Cast', [x], { to: 10 })], { to: FLOAT })],
    ['Concat', (g, x) => g.op('Concat', [x, x], { axis: 1 })],
    ['Transpose', (g, x) => g.op('Transpose', [x], { perm: [0, 2, 1] })],
    ['Transpose in reverse', (g, x) => g.op('Transpose', [x])],
    ['Reshape with two open sizes', (g, x) => g.op('Reshape', [x, g.int64('s', [-1, 4, 3])])],
    ['Reshape to another rank', (g, x) => g.op('Reshape', [x, g.int64('s', [1, -1, 3, 4])])],
    ['Expand to a higher rank', (g, x) => g.op('Expand', [x, g.int64('s', [1, 1, 1, 1])])],
    ['Pad', (g, x) => g.op('Pad', [x, g.int64('p', [0, 0, 0, 0, 0, 1])])],
    [
      'Slice in reverse',
      (g, x) => g.op('Slice', [x, g.int64('s', [END]), g.int64('e', [-END]), g.int64('a', [1]), g.int64('t', [-1])]),
    ],
    ['Slice that cuts', (g, x) => g.op('Slice', [x, g.int64('s', [0]), g.int64('e', [3]), g.int64('a', [2])])],
    ['Slice of a size that nobody knows', (g, x) => g.op('Slice', [x, g.int64('s', [0]), g.int64('e', [99])])],
  ])('%s', async (_, body) => {
    const { changes } = await applyPass(removeIdentities, between(body))
    expect(changes).toBe(0)
  })

  it('Dropout whose mask is read', async () => {
    const { changes } = await applyPass(removeIdentities, (g) => {
      const x = g.input('x', 'float32', [4])
      const [y, mask] = g.graph.addNode({ opType: 'Dropout', inputs: [x], outputs: 2 }).outputs
      g.output('y', g.op('Where', [mask!, y!, x]), 'float32', [4])
    })
    expect(changes).toBe(0)
  })
})

describe('outputs of the graph', () => {
  it('keep their names and declared types', async () => {
    const { operators, graph } = await applyPass(removeIdentities, (g) => {
      const h = g.op('Relu', [g.input('x', 'float32', ['batch', 3])])
      g.output('y', g.op('Identity', [h]), 'float32', ['n', 3])
    })
    expect(operators).toBe('Relu')
    expect(graph.nodes[0]!.outputs[0]!.name).toBe('y')
  })

  it('keep an Identity that makes an output of an input or a second one of an output', async () => {
    const { operators } = await applyPass(removeIdentities, (g) => {
      const x = g.input('x', 'float32', [3])
      g.output('copy', g.op('Identity', [x]), 'float32', [3])
      const y = g.op('Relu', [x])
      g.output('y', y, 'float32', [3]).output('z', g.op('Identity', [y]), 'float32', [3])
    })
    expect(operators).toBe('Identity Relu Identity')
  })
})
