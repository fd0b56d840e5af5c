import type { DType, Shape } from '@lowlat/core'
import { describe, it } from 'vitest'
import { float } from '../graph/attribute-input.ts'
import { type Draw, expectInferredAsComputed, type RandomOperator, windows } from '../testing/random-operator.ts'

const q = (d: Draw, dtype: DType) => [d.scalar('float32', 0.5), d.scalar(dtype, 1)]

const operators: Readonly<Record<string, RandomOperator>> = {
  FusedConv: {
    draw: (d) => d.contrib('FusedConv', [d.x(1, 2, 7, 6), d.x(4, 2, 3, 3)], { activation: 'Relu', ...windows(d, 2) }),
  },
  FusedMatMul: {
    draw: (d) => {
      const [transA, transB, transBatchA, transBatchB] = d.integers(4, 0, 1)
      // [2, 3] batches of 4 x 5 and 5 x 6, before whatever is exchanged.
      const operand = (rows: number, columns: number, trans: number, transBatch: number) => {
        const inner = trans ? [columns, rows] : [rows, columns]
        return transBatch ? d.x(inner[0]!, 2, 3, inner[1]!) : d.x(2, 3, ...inner)
      }
      const inputs = [operand(4, 5, transA!, transBatchA!), operand(5, 6, transB!, transBatchB!)]
      d.contrib('FusedMatMul', inputs, {
        transA: transA!,
        transB: transB!,
        transBatchA: transBatchA!,
        transBatchB: transBatchB!,
      })
    },
  },
  SkipLayerNormalization: {
    draw: (d) => {
      const inputs = [d.x(1, 2, 4), d.x(1, 2, 4), d.x(4)]
      d.contrib('SkipLayerNormalization', inputs, { epsilon: float(0.1) }, d.pick(1, 4))
    },
  },
  Attention: {
    draw: (d) => d.contrib('Attention', [d.x(2, 3, 4), d.x(4, 12), d.x(12)], { num_heads: 2 }),
  },
  Gelu: { draw: (d) => d.contrib(d.pick('Gelu', 'FastGelu', 'QuickGelu'), [d.x(2, 4)]) },
  BiasGelu: { draw: (d) => d.contrib('BiasGelu', [d.x(2, 4), d.x(4)]) },
  QLinearAdd: {
    draw: (d) => {
      const [a, b] = d.pick<[Shape, Shape]>(
        [[2, 1], [3]],
        [
          [2, 3],
          [2, 3],
        ],
      )
      const operands = [d.input('uint8', a), ...q(d, 'uint8'), d.input('uint8', b), ...q(d, 'uint8'), ...q(d, 'uint8')]
      d.contrib(d.pick('QLinearAdd', 'QLinearMul'), operands)
    },
  },
  QLinearSigmoid: {
    draw: (d) => d.contrib('QLinearSigmoid', [d.input('uint8', [2, 3]), ...q(d, 'uint8'), ...q(d, 'uint8')]),
  },
  QLinearConcat: {
    draw: (d) => {
      const parts = [2, 3].flatMap((size) => [d.input('int8', [1, size]), ...q(d, 'int8')])
      d.contrib('QLinearConcat', [...q(d, 'int8'), ...parts], { axis: d.pick(1, -1) })
    },
  },
  QLinearGlobalAveragePool: {
    draw: (d) => {
      const inputs = [d.input('uint8', [1, 2, 4, 5]), ...q(d, 'uint8'), ...q(d, 'uint8')]
      d.contrib('QLinearGlobalAveragePool', inputs, { channels_last: d.integer(0, 1) })
    },
  },
  QLinearAveragePool: {
    draw: (d) => {
      const inputs = [d.input('uint8', [1, 6, 7, 8]), ...q(d, 'uint8'), ...q(d, 'uint8')]
      const pool = { kernel_shape: d.integers(2, 1, 3), strides: d.integers(2, 1, 2), ceil_mode: d.integer(0, 1) }
      d.contrib('QLinearAveragePool', inputs, { channels_last: d.integer(0, 1), ...pool })
    },
  },
  QGemm: {
    draw: (d) => {
      const operands = [d.input('uint8', [2, 3]), ...q(d, 'uint8'), d.input('int8', [3, 4]), ...q(d, 'int8')]
      const result = d.chance() ? q(d, 'uint8') : []
      d.contrib('QGemm', [...operands, undefined, ...result], { alpha: float(1) })
    },
  },
  DynamicQuantizeMatMul: {
    draw: (d) => d.contrib('DynamicQuantizeMatMul', [d.x(2, 3), d.input('uint8', [3, 4]), ...q(d, 'uint8')]),
  },
  MatMulIntegerToFloat: {
    draw: (d) => {
      const inputs = [
        d.input('uint8', [2, 3]),
        d.input('uint8', [3, 4]),
        d.scalar('float32', 1),
        d.scalar('float32', 1),
      ]
      d.contrib('MatMulIntegerToFloat', inputs)
    },
  },
}

describe("the type inferred for one of ONNX Runtime's own operators", () => {
  it.each(Object.entries(operators))('is the one that it computes: %s', (_, operator) =>
    expectInferredAsComputed(operator),
  )
})
