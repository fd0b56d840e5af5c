import type { DType, Shape } from '@lowlat/core'
import { describe, it } from 'vitest'
import { type AttributeInput, floats } from '../graph/attribute-input.ts'
import { type Draw, expectInferredAsComputed, type RandomOperator, windows } from '../testing/random-operator.ts'

/** ONNX Runtime's pooling forgets the dilations where it pads by itself, and gives fewer windows than ONNX says. */
const poolWindows = (d: Draw): Record<string, AttributeInput> => {
  const { dilations, ...others } = windows(d, 2)
  return dilations && !others.auto_pad ? { ...others, dilations } : others
}

const q = (d: Draw, dtype: DType) => [d.scalar('float32', 0.5), d.scalar(dtype, 1)]

const operators: Readonly<Record<string, RandomOperator>> = {
  Conv: {
    draw: (d) => {
      const group = d.integer(1, 2)
      const kernel = d.integers(2, 1, 3)
      const image = d.x(d.integer(0, 2), 2 * group, d.integer(1, 9), d.integer(4, 9))
      d.node('Conv', [image, d.x(4, 2, ...kernel)], { group, ...windows(d, 2), ...d.maybe({ kernel_shape: kernel }) })
    },
  },
  'Conv of one axis': { draw: (d) => d.node('Conv', [d.x(1, 2, d.integer(3, 9)), d.x(3, 2, 3)], windows(d, 1)) },
  ConvTranspose: {
    draw: (d) => {
      const group = d.integer(1, 2)
      const strides = d.integers(2, 1, 3)
      const [height, width] = d.integers(2, 1, 5)
      const attributes = d.pick<Record<string, AttributeInput>>(
        { pads: d.integers(4, 0, 1), output_padding: strides.map((stride) => stride - 1) },
        { auto_pad: d.pick('SAME_UPPER', 'SAME_LOWER', 'VALID') },
        { dilations: d.integers(2, 1, 2) },
        { output_shape: [height! * strides[0]! + 1, width! * strides[1]! + 1] },
      )
      d.node('ConvTranspose', [d.x(1, 4, height!, width!), d.x(4, 3, 3, 3)], { group, strides, ...attributes })
    },
  },
  MaxPool: {
    draw: (d) => {
      const pool = { kernel_shape: d.integers(2, 1, 3), ceil_mode: d.integer(0, 1), ...poolWindows(d) }
      d.node('MaxPool', [d.x(1, 2, d.integer(5, 9), d.integer(5, 9))], pool, d.integer(1, 2))
    },
  },
  AveragePool: {
    opset: 19,
    draw: (d) => {
      const pool = { kernel_shape: d.integers(2, 1, 3), ceil_mode: d.integer(0, 1), ...poolWindows(d) }
      d.node('AveragePool', [d.x(1, 2, d.integer(5, 9), d.integer(5, 9))], pool)
    },
  },
  LpPool: {
    opset: 18,
    draw: (d) => d.node('LpPool', [d.x(1, 2, 7, 8)], { kernel_shape: d.integers(2, 1, 3), ...poolWindows(d) }),
  },
  GlobalMaxPool: { draw: (d) => d.node('GlobalMaxPool', [d.x(2, 3, 4, 5)]) },
  'Resize by scales': {
    draw: (d) => {
      const scales = d.scales(1, 1, d.pick(0.5, 1, 1.7, 2, 0.33), d.pick(0.1, 2.5, 3))
      d.node('Resize', [d.x(1, 2, d.integer(3, 9), d.integer(10, 13)), undefined, scales], d.maybe({ mode: 'linear' }))
    },
  },
  'Resize by sizes': {
    opset: 18,
    draw: (d) => {
      const axes = d.pick([2, 3], [3, 2])
      const policy = d.pick('stretch', 'not_larger', 'not_smaller')
      const sizes = d.sizes(...d.integers(2, 1, 20))
      d.node('Resize', [d.x(1, 1, d.integer(2, 9), d.integer(2, 9)), undefined, undefined, sizes], {
        axes,
        keep_aspect_ratio_policy: policy,
      })
    },
  },
  'Resize of opset 10': {
    opset: 10,
    draw: (d) => d.node('Resize', [d.x(1, 1, 5, 7), d.scales(1, 1, d.pick(0.5, 1.5), 2)]),
  },
  Upsample: { opset: 9, draw: (d) => d.node('Upsample', [d.x(1, 1, 5, 7), d.scales(1, 1, d.pick(1, 1.5), 2)]) },
  'Upsample of opset 7': {
    opset: 7,
    draw: (d) => d.node('Upsample', [d.x(1, 1, 5, 7)], { scales: floats([1, 1, d.pick(1, 1.5), 2]) }),
  },
  LSTM: {
    draw: (d) => {
      const [seq, batch, size, hidden] = [d.integer(1, 4), d.integer(1, 3), 2, 3]
      const direction = d.pick('forward', 'reverse', 'bidirectional')
      const directions = direction === 'bidirectional' ? 2 : 1
      const weights = [d.x(directions, 4 * hidden, size), d.x(directions, 4 * hidden, hidden)]
      d.node('LSTM', [d.x(seq, batch, size), ...weights], { hidden_size: hidden, direction }, 3)
    },
  },
  GRU: {
    draw: (d) => d.node('GRU', [d.x(4, 2, 2), d.x(1, 9, 2), d.x(1, 9, 3)], { hidden_size: 3 }, d.integer(1, 2)),
  },
  RNN: { draw: (d) => d.node('RNN', [d.x(4, 2, 2), d.x(1, 3, 2), d.x(1, 3, 3)], { hidden_size: 3 }, 2) },
  TopK: {
    draw: (d) => d.node('TopK', [d.x(3, 4, 5), d.sizes(d.integer(1, 3))], d.maybe({ axis: d.integer(-3, 2) }), 2),
  },
  Pad: {
    opset: 18,
    draw: (d) => {
      const axes = d.chance() ? d.pick([0, 2], [-1, 1]) : undefined
      const pads = d.integers(axes ? 4 : 6, -1, 3)
      d.node('Pad', [d.x(3, 4, 5), d.sizes(...pads), undefined, axes && d.builder.int64('axes', axes)])
    },
  },
  'Pad of opset 2': { opset: 2, draw: (d) => d.node('Pad', [d.x(3, 4)], { pads: d.integers(4, -1, 3) }) },
  Slice: {
    draw: (d) => {
      const axes = d.pick([0, 1], [-1, 0])
      const steps = d.integers(2, 1, 2).map((step) => (d.chance() ? step : -step))
      const bounds = [d.integers(2, -7, 7), d.integers(2, -7, 7), axes, steps]
      d.node('Slice', [d.x(4, 5), ...bounds.map((list) => d.builder.int64('bounds', list))])
    },
  },
  Einsum: {
    draw: (d) => {
      const equation = d.pick('ij,jk->ik', 'ij,jk', 'ij,jk->', '...j,jk->...k', 'ij,jk->kji', 'ii,jk->ijk')
      const i = equation.startsWith('ii') ? 3 : d.integer(1, 3)
      const j = equation.startsWith('ii') ? i : 3
      d.node('Einsum', [d.x(i, j), d.x(j, 4)], { equation })
    },
  },
  MatMul: {
    draw: (d) => {
      const [a, b] = d.pick<[Shape, Shape]>(
        [[3], [3]],
        [[3], [2, 3, 4]],
        [
          [2, 1, 5, 3],
          [4, 3, 2],
        ],
        [[5, 3], [3]],
        [
          [0, 3],
          [3, 2],
        ],
      )
      d.node('MatMul', [d.x(...a), d.x(...b)])
    },
  },
  Gemm: {
    draw: (d) => {
      const [transA, transB] = d.integers(2, 0, 1)
      d.node('Gemm', [transA ? d.x(3, 2) : d.x(2, 3), transB ? d.x(4, 3) : d.x(3, 4)], {
        transA: transA!,
        transB: transB!,
      })
    },
  },
  Split: {
    opset: 18,
    draw: (d) => {
      const given = d.chance()
      const inputs = given ? [d.x(7, 2), d.sizes(3, 0, 4)] : [d.x(7, 2)]
      d.node('Split', inputs, given ? {} : { num_outputs: 3 }, 3)
    },
  },
  Reduce: {
    draw: (d) => {
      const axes = d.pick<Record<string, AttributeInput>>({}, { axes: [1] }, { axes: [-1, 0] })
      const opType = d.pick('ReduceMean', 'ReduceMax', 'ReduceL2', 'ReduceLogSumExp')
      d.node(opType, [d.x(2, 3, 4)], { keepdims: d.integer(0, 1), ...axes })
    },
  },
  ArgMax: { draw: (d) => d.node('ArgMax', [d.x(2, 3, 4)], { keepdims: d.integer(0, 1), axis: d.integer(-3, 2) }) },
  GatherND: {
    draw: (d) => {
      const [batch, depth] = [d.integer(0, 1), d.integer(1, 2)]
      const indices = d.input('int64', [...(batch ? [2] : d.pick([], [2])), 5, depth])
      d.node('GatherND', [d.x(2, 2, 2, 3), indices], { batch_dims: batch })
    },
  },
  DepthToSpace: {
    draw: (d) => {
      const opType = d.pick('DepthToSpace', 'SpaceToDepth')
      d.node(opType, [d.x(1, 8, 4, 6)], { blocksize: 2 })
    },
  },
  'Sums of windows': {
    draw: (d) => d.node('ConvInteger', [d.input('uint8', [1, 1, 6, 5]), d.input('uint8', [2, 1, 3, 2])], windows(d, 2)),
  },
  QLinearConv: {
    draw: (d) => {
      const image = [d.input('uint8', [1, 2, 6, 5]), ...q(d, 'uint8')]
      const weights = [d.input('int8', [3, 2, 3, 3]), d.scalar('float32', 0.5), d.scalar('int8', 0)]
      d.node('QLinearConv', [...image, ...weights, ...q(d, 'uint8')], windows(d, 2))
    },
  },
  QLinearMatMul: {
    draw: (d) => {
      const dtype = d.pick<DType>('uint8', 'int8')
      const operands = [
        d.input(dtype, [2, 4, 3]),
        ...q(d, dtype),
        d.input(dtype, [3, 5]),
        ...q(d, dtype),
        ...q(d, dtype),
      ]
      d.node('QLinearMatMul', operands)
    },
  },
  DynamicQuantizeLinear: { draw: (d) => d.node('DynamicQuantizeLinear', [d.x(2, 3)], {}, 3) },
  LayerNormalization: {
    draw: (d) => {
      const axis = d.integer(-3, 2)
      d.node('LayerNormalization', [d.x(2, 3, 4), d.x(...[2, 3, 4].slice(axis))], { axis }, 3)
    },
  },
  Dropout: { draw: (d) => d.node('Dropout', [d.x(2, 3)], {}, 2) },
  Unique: { open: true, draw: (d) => d.node('Unique', [d.x(4, 3)], d.maybe({ axis: d.integer(-2, 1) }), 4) },
  Random: { draw: (d) => d.node('RandomNormal', [], { shape: [2, 3], dtype: d.pick(1, 11) }) },
  RoiAlign: {
    draw: (d) => {
      const inputs = [d.x(2, 2, 8, 8), d.x(3, 4), d.input('int64', [3])]
      d.node('RoiAlign', inputs, d.maybe({ output_height: 2, output_width: 3 }))
    },
  },
}

describe('the type inferred for an operator', () => {
  it.each(Object.entries(operators))('is the one that ONNX Runtime computes: %s', (_, operator) =>
    expectInferredAsComputed(operator),
  )
})
