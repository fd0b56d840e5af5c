import { type DType, dtypes, fromFloat32, isLowlatError, type Shape, Tensor } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../build/graph-builder.ts'
import { type AttributeInput, float } from '../graph/attribute-input.ts'
import { evaluateNode } from './evaluate-node.ts'

type Attributes = Record<string, AttributeInput>

function evaluate(opType: string, inputs: (Tensor | undefined)[], attributes: Attributes = {}, outputs = 1) {
  const { graph } = new GraphBuilder('test')
  const values = inputs.map((tensor, index) => tensor && graph.addInitializer(`i${index}`, tensor))
  return evaluateNode(graph.addNode({ opType, name: 'it', inputs: values, outputs, attributes }), inputs)
}

/** The only result, with its elements as numbers. */
function result(...args: Parameters<typeof evaluate>) {
  const tensors = evaluate(...args)
  expect(tensors).toHaveLength(1)
  const { dtype, shape, data } = tensors![0]!
  return [dtype, shape, Array.from(data as ArrayLike<number | bigint>, Number)]
}

function tensor(dtype: DType, values: readonly number[], shape: Shape = [values.length]): Tensor {
  if (dtype === 'float16' || dtype === 'bfloat16') return new Tensor<DType>(dtype, shape, fromFloat32(dtype, values))
  const isBig = dtype === 'int64' || dtype === 'uint64'
  const data = new dtypes[dtype].array(values.length)
  for (const [i, value] of values.entries()) data[i] = isBig ? BigInt(value) : value
  return new Tensor<DType>(dtype, shape, data)
}

const f32 = (values: readonly number[], shape?: Shape) => tensor('float32', values, shape)
const i64 = (values: readonly number[], shape?: Shape) => tensor('int64', values, shape)
const error = (code: 'MODEL_INVALID', text: RegExp) =>
  expect.toSatisfy((thrown: unknown) => isLowlatError(thrown, code) && text.test(thrown.message))

describe('evaluateNode', () => {
  it('broadcasts as numpy does', () => {
    const column = f32([10, 20], [2, 1])
    expect(result('Add', [column, f32([1, 2, 3])])).toEqual(['float32', [2, 3], [11, 12, 13, 21, 22, 23]])
    expect(result('Mul', [f32([], [0, 1]), f32([1, 2])])).toEqual(['float32', [0, 2], []])
    expect(() => evaluate('Add', [f32([1, 2]), f32([1, 2, 3])])).toThrow(
      error('MODEL_INVALID', /Add node 'it'.*\[2\] and \[3\]/),
    )
    expect(() => evaluate('Add', [f32([1]), i64([1])])).toThrow(error('MODEL_INVALID', /float32 and int64/))
  })

  it('rounds to the dtype, and wraps integers', () => {
    expect(result('Add', [f32([1]), f32([2 ** -24])])[2]).toEqual([1])
    expect(result('Add', [tensor('float16', [2048]), tensor('float16', [1])])[2]).toEqual([0x6800])
    expect(result('Mul', [tensor('int32', [0x7fffffff]), tensor('int32', [0x7fffffff])])[2]).toEqual([1])
    expect(result('Add', [tensor('uint8', [250]), tensor('uint8', [10])])[2]).toEqual([4])
    const most = new Tensor<DType>('int64', [1], BigInt64Array.of(2n ** 63n - 1n))
    expect(evaluate('Add', [most, i64([1])])![0]!.data).toEqual(BigInt64Array.of(-(2n ** 63n)))
  })

  it('divides integers towards zero, takes both kinds of remainder, and leaves division by zero open', () => {
    expect(result('Div', [i64([-7, 7]), i64([2])])[2]).toEqual([-3, 3])
    expect(result('Mod', [i64([-7, 7]), i64([3, -3])])[2]).toEqual([2, -2])
    expect(result('Mod', [f32([-7, 7]), f32([3, -3])], { fmod: 1 })[2]).toEqual([-1, 1])
    expect(result('Div', [f32([1]), f32([0])])[2]).toEqual([Number.POSITIVE_INFINITY])
    expect(evaluate('Div', [i64([1]), i64([0])])).toBeUndefined()
    expect(evaluate('Mod', [tensor('uint8', [1]), tensor('uint8', [0])])).toBeUndefined()
  })

  it('keeps the type of the base in a power', () => {
    expect(result('Pow', [i64([3, -2]), f32([2.5, 3])])).toEqual(['int64', [2], [15, -8]])
    expect(result('Pow', [f32([2]), i64([-1])])).toEqual(['float32', [1], [0.5]])
    expect(result('Pow', [i64([2, 2, -1]), i64([62, -1, 2 ** 53])])[2]).toEqual([2 ** 62, 0, 1])
  })

  it('rounds ties to even, and keeps the sign of zero', () => {
    const [, , values] = result('Round', [f32([0.5, 1.5, -0.5, -1.5, 2.4, -0.2, Number.NaN])])
    expect(values).toEqual([0, 2, -0, -2, 2, -0, Number.NaN])
  })

  it.each<[string, number[]]>([
    ['Min', [1, 2, Number.NaN]],
    ['Max', [3, 5, Number.NaN]],
    ['Sum', [4, 7, Number.NaN]],
    ['Mean', [2, 3.5, Number.NaN]],
  ])('takes %s of several operands', (opType, expected) => {
    expect(result(opType, [f32([1, 5, Number.NaN]), f32([3, 2, 0])])[2]).toEqual(expected)
  })

  it('compares and combines bools', () => {
    expect(result('Less', [i64([1, 2]), i64([2])])).toEqual(['bool', [2], [1, 0]])
    expect(result('Equal', [f32([Number.NaN]), f32([Number.NaN])])[2]).toEqual([0])
    const [a, b] = [tensor('bool', [1, 1, 0]), tensor('bool', [1, 0, 0])]
    expect(result('Xor', [a, b])[2]).toEqual([0, 1, 0])
    expect(result('Not', [a])[2]).toEqual([0, 0, 1])
    expect(result('Where', [b, i64([1]), i64([4, 5, 6])])[2]).toEqual([1, 5, 6])
    expect(() => evaluate('And', [f32([1]), f32([1])])).toThrow(error('MODEL_INVALID', /bool tensor.*float32/))
  })

  it('casts, and leaves floats open that the target cannot hold', () => {
    expect(result('Cast', [f32([-1.9, 2.5])], { to: 7 })).toEqual(['int64', [2], [-1, 2]])
    expect(result('Cast', [i64([300, -1])], { to: 2 })[2]).toEqual([44, 255])
    expect(result('Cast', [f32([0, Number.NaN, -0.1])], { to: 9 })[2]).toEqual([0, 1, 1])
    expect(result('Cast', [f32([1 / 3])], { to: 10 })[2]).toEqual([0x3555])
    expect(result('Cast', [tensor('int8', [-3, 5, 7])], { to: 22 })).toEqual(['int4', [3], [0x5d, 7]])
    expect(result('Cast', [new Tensor('int4', [3], Uint8Array.of(0x5d, 7))], { to: 3 })[2]).toEqual([-3, 5, 7])
    // 2^60 + 2^36 + 1 lies just above the middle between two floats.
    const large = new Tensor<DType>('int64', [1], BigInt64Array.of(2n ** 60n + 2n ** 36n + 1n))
    expect(result('Cast', [large], { to: 1 })[2]).toEqual([2 ** 60 + 2 ** 37])
    for (const value of [Number.NaN, 128, -129]) expect(evaluate('Cast', [f32([value])], { to: 3 })).toBeUndefined()
    expect(evaluate('Cast', [f32([1])], { to: 8 })).toBeUndefined()
  })

  it('follows a shape through a chain', () => {
    const x = f32(new Array(24).fill(0), [2, 3, 4])
    const [shape] = evaluate('Shape', [x])!
    const [first] = evaluate('Gather', [shape, i64([0], [])], { axis: 0 })!
    const [row] = evaluate('Unsqueeze', [first, i64([0])])!
    const [target] = evaluate('Concat', [row, i64([-1])], { axis: 0 })!
    expect(result('Reshape', [x, target])[1]).toEqual([2, 12])
    expect(result('Shape', [x], { start: -2, end: 9 })[2]).toEqual([3, 4])
    expect(result('Size', [x])).toEqual(['int64', [], [24]])
  })

  it('reshapes with copied and open sizes, and refuses what does not fit', () => {
    const x = f32([1, 2, 3, 4, 5, 6], [2, 3])
    expect(result('Reshape', [x, i64([0, -1, 1])])[1]).toEqual([2, 3, 1])
    expect(result('Reshape', [f32([], [0, 3]), i64([3, 0])], { allowzero: 1 })[1]).toEqual([3, 0])
    expect(result('Flatten', [x], { axis: -1 })[1]).toEqual([2, 3])
    expect(result('Flatten', [x], { axis: 0 })[1]).toEqual([1, 6])
    expect(result('Squeeze', [f32([1], [1, 1])])[1]).toEqual([])
    expect(result('Squeeze', [f32([1], [1, 1])], { axes: [-1] })[1]).toEqual([1])
    for (const shape of [[4], [-1, -1], [-2, 3], [4, -1]]) {
      expect(() => evaluate('Reshape', [x, i64(shape)])).toThrow(error('MODEL_INVALID', /6 elements of \[2, 3\]/))
    }
    expect(() => evaluate('Squeeze', [x, i64([1])])).toThrow(error('MODEL_INVALID', /size 1 on axis 1/))
    expect(() => evaluate('Unsqueeze', [x, i64([4])])).toThrow(error('MODEL_INVALID', /an axis of 3 axes/))
  })

  it('moves elements of every dtype, packed ones too', () => {
    const x = f32([1, 2, 3, 4, 5, 6], [2, 3])
    expect(result('Transpose', [x])).toEqual(['float32', [3, 2], [1, 4, 2, 5, 3, 6]])
    expect(result('Concat', [x, f32([7, 8], [2, 1])], { axis: -1 })[2]).toEqual([1, 2, 3, 7, 4, 5, 6, 8])
    expect(result('Gather', [x, i64([-1, 0], [1, 2])], { axis: 1 })).toEqual(['float32', [2, 1, 2], [3, 1, 6, 4]])
    expect(result('Expand', [f32([1, 2], [2, 1]), i64([2])])[2]).toEqual([1, 1, 2, 2])
    expect(result('Tile', [f32([1, 2], [1, 2]), i64([2, 2])])).toEqual(['float32', [2, 4], [1, 2, 1, 2, 1, 2, 1, 2]])
    expect(result('NonZero', [f32([1, 0, 0, 2], [2, 2])])).toEqual(['int64', [2, 2], [0, 1, 0, 1]])
    const packed = new Tensor<DType>('uint4', [3], Uint8Array.of(0x21, 0x03))
    expect(result('Gather', [packed, i64([2, 1, 0])])).toEqual(['uint4', [3], [0x23, 0x01]])
    expect(() => evaluate('Gather', [x, i64([2])])).toThrow(error('MODEL_INVALID', /indices below 2.*got 2/))
    expect(() => evaluate('Concat', [x, f32([1])], { axis: 0 })).toThrow(
      error('MODEL_INVALID', /differ on axis 0 only/),
    )
  })

  it('slices with inputs or, as of old, with attributes', () => {
    const x = f32([0, 1, 2, 3, 4])
    expect(result('Slice', [x, i64([-1]), i64([-6]), i64([0]), i64([-2])])[2]).toEqual([4, 2, 0])
    // A start before the first element is the first one, backwards too; numpy would take nothing.
    expect(result('Slice', [x, i64([-9]), i64([-9]), i64([0]), i64([-1])])[2]).toEqual([0])
    expect(result('Slice', [x, i64([1]), i64([2 ** 53])])[2]).toEqual([1, 2, 3, 4])
    expect(result('Slice', [x], { starts: [3], ends: [1] })).toEqual(['float32', [0], []])
    expect(() => evaluate('Slice', [x, i64([1]), i64([2, 3])])).toThrow(error('MODEL_INVALID', /as many starts/))
  })

  it('splits into given or equal parts', () => {
    const x = f32([0, 1, 2, 3, 4])
    const parts = (...args: Parameters<typeof evaluate>) => evaluate(...args)?.map(({ data }) => [...data])
    expect(parts('Split', [x, i64([2, 3])], {}, 2)).toEqual([
      [0, 1],
      [2, 3, 4],
    ])
    expect(parts('Split', [x], { num_outputs: 3 }, 3)).toEqual([[0, 1], [2, 3], [4]])
    expect(() => evaluate('Split', [x], {}, 2)).toThrow(error('MODEL_INVALID', /divides into 2 parts/))
    expect(() => evaluate('Split', [x, i64([2, 2])], {}, 2)).toThrow(error('MODEL_INVALID', /add up to 5/))
  })

  it('reduces given axes, all axes, and nothing', () => {
    const x = f32([1, 2, 3, 4, 5, 6], [2, 3])
    expect(result('ReduceSum', [x, i64([-1])])).toEqual(['float32', [2, 1], [6, 15]])
    expect(result('ReduceMean', [x], { axes: [0], keepdims: 0 })).toEqual(['float32', [3], [2.5, 3.5, 4.5]])
    expect(result('ReduceMax', [x], { keepdims: 0 })).toEqual(['float32', [], [6]])
    expect(result('ReduceProd', [i64([2, 3, 4])])).toEqual(['int64', [1], [24]])
    expect(result('ReduceSum', [x, i64([], [0])], { noop_with_empty_axes: 1 })[1]).toEqual([2, 3])
    expect(result('ReduceProd', [f32([], [2, 0]), i64([1])])[2]).toEqual([1, 1])
    expect(() => evaluate('ReduceMin', [f32([], [2, 0]), i64([1])])).toThrow(error('MODEL_INVALID', /at least one/))
  })

  it('quantizes and dequantizes with a scale for all, per axis and per block', () => {
    const x = f32([0.5, 1.5, -1, 1000], [2, 2])
    const zero = tensor('int8', [0, 1])
    expect(result('QuantizeLinear', [x, f32([1], [])])).toEqual(['uint8', [2, 2], [0, 2, 0, 255]])
    const perRow = [x, f32([1, 2]), zero]
    expect(result('QuantizeLinear', perRow, { axis: 0 })).toEqual(['int8', [2, 2], [0, 2, 1, 127]])
    expect(result('QuantizeLinear', perRow, { axis: -1 })).toEqual(['int8', [2, 2], [0, 2, -1, 127]])
    const q = tensor('int8', [1, 2, 3, 4], [2, 2])
    expect(result('DequantizeLinear', [q, f32([1, 10]), zero], { axis: 0 })[2]).toEqual([1, 2, 20, 30])
    const blocks = f32([1, 10], [2, 1])
    expect(result('DequantizeLinear', [q, blocks], { axis: 1, block_size: 2 })[2]).toEqual([1, 2, 30, 40])
    expect(() => evaluate('DequantizeLinear', [q, f32([1, 2, 3])])).toThrow(
      error('MODEL_INVALID', /per index of axis 1/),
    )
  })

  it('makes constants', () => {
    expect(result('Constant', [], { value_ints: [1, 2] })).toEqual(['int64', [2], [1, 2]])
    expect(result('Constant', [], { value_float: float(0.5) })).toEqual(['float32', [], [0.5]])
    expect(result('Constant', [], { value: i64([3]) })).toEqual(['int64', [1], [3]])
    expect(result('ConstantOfShape', [i64([2])])).toEqual(['float32', [2], [0, 0]])
    expect(result('ConstantOfShape', [i64([2])], { value: i64([7]) })).toEqual(['int64', [2], [7, 7]])
    expect(result('Range', [i64([5], []), i64([0], []), i64([-2], [])])).toEqual(['int64', [3], [5, 3, 1]])
    const [, , steps] = result('Range', [f32([0], []), f32([1], []), f32([0.1], [])])
    expect((steps as number[])[9]).toBe(0.9000000953674316) // not 9 * 0.1, but nine additions
    expect(() => evaluate('Range', [i64([0], []), i64([1], []), i64([0], [])])).toThrow(error('MODEL_INVALID', /step/))
  })

  it('leaves open what it does not cover, what is not known, and what would be too large', () => {
    expect(evaluate('Conv', [f32([1]), f32([1])])).toBeUndefined()
    expect(evaluate('Neg', [new Tensor('float8e5m2', [1], new Uint8Array(1))])).toBeUndefined()
    expect(evaluate('ConstantOfShape', [i64([2 ** 40])])).toBeUndefined()
    expect(evaluate('Range', [f32([0], []), f32([1e30], []), f32([1], [])])).toBeUndefined()
    const { graph } = new GraphBuilder('test')
    const x = graph.addInput('x', 'float32', [1])
    expect(evaluateNode(graph.addNode({ opType: 'Neg', inputs: [x] }), [undefined])).toBeUndefined()
    const foreign = graph.addNode({ opType: 'Neg', domain: 'custom', inputs: [x] })
    expect(evaluateNode(foreign, [f32([1])])).toBeUndefined()
  })
})
