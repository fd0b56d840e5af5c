import { Tensor } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { Initializer } from '../graph/initializer.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { foldConstants } from './fold-constants.ts'

describe('constants', () => {
  it('are computed through several nodes, under the names of what they replace', async () => {
    const { operators, graph } = await applyPass(foldConstants, (g) => {
      const sum = g.op('Add', [g.weights('a', [3], 1), g.weights('b', [3], 1)])
      const y = g.op('Mul', [g.input('x', 'float32', ['batch', 3]), g.op('Sqrt', [g.op('Abs', [sum])])])
      g.output('y', y, 'float32', ['batch', 3])
    })
    expect(operators).toBe('Mul')
    expect(graph.initializers.map(({ name }) => name)).toEqual(['Sqrt_1'])
  })

  it('may be outputs, which keep their names and declared types', async () => {
    const { operators } = await applyPass(foldConstants, (g) => {
      g.output('y', g.op('Neg', [g.weights('w', [3], 1)]), 'float32', ['n'])
    })
    expect(operators).toBe('')
  })

  it('stay as they are in the file where a Constant holds them, strings included', () => {
    const g = new GraphBuilder('test')
    const strings = Initializer.fromStrings([1], ['a'])
    const numbers = Initializer.fromTensor(Tensor.zeros('float32', [2]))
    for (const value of [strings, numbers]) {
      const constant = g.op('Constant', [], { value: { type: 'tensor', value } })
      g.op('Relu', [constant])
    }
    expect(foldConstants.run(g.graph)).toBe(2)
    const kept = g.graph.initializers.map(({ initializer }) => initializer)
    expect(kept.includes(strings)).toBe(true)
    expect(kept.includes(numbers)).toBe(true)
  })

  it('are not made where the model would grow', async () => {
    const { operators } = await applyPass(foldConstants, (g) => {
      const table = g.op('ConstantOfShape', [g.int64('shape', [100, 100])])
      const wide = g.op('Expand', [g.weights('row', [1, 100], 1), g.int64('size', [100, 100])])
      const tiled = g.op('Tile', [g.weights('cell', [10, 10], 1), g.int64('times', [10, 10])])
      const shape = g.op('Sum', [table, wide, tiled, g.input('x', 'float32', [1])])
      g.output('y', shape, 'float32', [100, 100])
    })
    expect(operators).toBe('ConstantOfShape Expand Tile Sum')
  })

  it('of any size are made where they replace as much', async () => {
    const { operators } = await applyPass(foldConstants, (g) => {
      const weight = g.op('Transpose', [g.weights('w', [64, 100], 0.1)])
      g.output('y', g.op('MatMul', [g.input('x', 'float32', [2, 100]), weight]), 'float32', [2, 64])
    })
    expect(operators).toBe('MatMul')
  })

  it('stay integers where a DequantizeLinear reads them', async () => {
    const { operators } = await applyPass(foldConstants, (g) => {
      const integers = g.constant('w', new Tensor('int8', [3], Int8Array.of(1, -2, 3)))
      const weight = g.op('DequantizeLinear', [integers, g.scalar('scale', 'float32', 0.5)])
      g.output('y', g.op('Add', [g.input('x', 'float32', [3]), weight]), 'float32', [3])
    })
    expect(operators).toBe('DequantizeLinear Add')
  })

  it('are not made of what was dequantized, but of its shape', async () => {
    const { operators } = await applyPass(foldConstants, (g) => {
      const integers = g.constant('w', new Tensor('int8', [3, 1], Int8Array.of(1, -2, 3)))
      const weight = g.op('DequantizeLinear', [integers, g.scalar('scale', 'float32', 0.5)])
      const size = g.op('Cast', [g.op('Size', [weight])], { to: 1 })
      const scaled = g.op('Mul', [g.op('Transpose', [weight]), size])
      g.output('y', g.op('Add', [g.input('x', 'float32', [3]), scaled]), 'float32', [1, 3])
    })
    expect(operators).toBe('DequantizeLinear Transpose Mul Add')
  })

  it('never come of random numbers, unknown operators, or operators before opset 7', () => {
    const g = new GraphBuilder('test')
    g.op('Relu', [g.op('RandomNormal', [], { shape: [2] })])
    const custom = g.op('Neg', [g.scalar('s', 'float32', 1)])
    custom.producer!.domain = 'custom'
    g.op('Relu', [custom])
    expect(foldConstants.run(g.graph)).toBe(0)
    const old = new GraphBuilder('test', { opset: 6 })
    old.op('Relu', [old.op('Neg', [old.scalar('s', 'float32', 1)])])
    expect(foldConstants.run(old.graph)).toBe(0)
  })
})

describe('shapes', () => {
  it('are constants where types know them', async () => {
    const { operators } = await applyPass(foldConstants, (g) => {
      const shape = g.op('Shape', [g.input('x', 'float32', [2, 3, 4])])
      const size = g.op('Size', [g.input('z', 'float32', [2, 3])])
      g.output('y', g.op('Concat', [shape, g.op('Unsqueeze', [size, g.int64('axes', [0])])], { axis: 0 }), 'int64', [4])
    })
    expect(operators).toBe('')
  })

  it('give the sizes that are known, though others are not', async () => {
    const { operators, graph } = await applyPass(foldConstants, (g) => {
      const x = g.input('x', 'float32', ['batch', 3, 4])
      const shape = g.op('Shape', [x])
      const depth = g.op('Gather', [shape, g.int64('last', [-1])])
      const middle = g.op('Slice', [shape, g.int64('from', [1]), g.int64('to', [2])])
      const batch = g.op('Gather', [shape, g.int64('first', [0])])
      const permuted = g.op('Reshape', [x, g.op('Concat', [depth, batch, middle], { axis: 0 })])
      g.output('y', permuted, 'float32', ['a', 'b', 'c'])
    })
    expect(operators).toBe('Shape Gather Concat Reshape')
    expect(graph.initializers.length).toBe(3)
  })

  it("cut by 'start' and 'end' are cut in the constant", async () => {
    const { operators, graph } = await applyPass(foldConstants, (g) => {
      const x = g.input('x', 'float32', ['batch', 3, 4])
      g.output('y', g.op('Shape', [x], { start: 1, end: -1 }), 'int64', [1])
      g.output('n', g.op('Shape', [x], { start: 0, end: 1 }), 'int64', [1])
    })
    expect(operators).toBe('Shape')
    expect(graph.outputs[0]!.initializer!.tensor.data).toEqual(BigInt64Array.of(3n))
  })
})
