import { describe, expect, it } from 'vitest'
import type { ModelProto } from '../codec/messages.ts'
import { encodeModel } from '../codec/model.ts'
import { checkInputRanks, describeModel } from './describe.ts'

const floatTensor = (...dim: { dimValue?: bigint; dimParam?: string }[]) => ({
  tensorType: { elemType: 1, shape: { dim } },
})

const model: ModelProto = {
  irVersion: 3n,
  producerName: 'tool',
  producerVersion: '1.2',
  opsetImport: [{ domain: 'ai.onnx', version: 17n }],
  graph: {
    input: [
      { name: 'x', type: floatTensor({ dimParam: 'batch' }, {}, { dimValue: -1n }, { dimValue: 3n }) },
      { name: 'w', type: floatTensor({ dimValue: 4n }) },
    ],
    initializer: [{ name: 'w', dims: [4n], dataType: 10 }],
    node: [
      { opType: 'Relu', input: ['x'], output: ['h'] },
      {
        opType: 'If',
        attribute: [
          { name: 'then_branch', g: { node: [{ opType: 'Relu' }, { opType: 'Gelu', domain: 'com.microsoft' }] } },
        ],
      },
    ],
    output: [{ name: 'y', type: { tensorType: { elemType: 1 } } }],
  },
}

describe('describeModel', () => {
  it('gives inputs without initializers, names for every open axis, and counts of operators', () => {
    const description = describeModel(encodeModel(model))
    expect(description).toMatchObject({ irVersion: 3, opset: 17, producer: 'tool 1.2', quantized: false })
    expect(description.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['batch', 'x_1', 'x_2', 3] }])
    expect(description.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: [], unknownRank: true }])
    expect(Object.fromEntries(description.operators)).toEqual({ Relu: 2, If: 1, 'com.microsoft:Gelu': 1 })
    expect(description.floatPrecision).toBe('float16')
  })

  it.each(['QuantizeLinear', 'DequantizeLinear', 'QLinearConv', 'MatMulInteger', 'DynamicQuantizeLinear'])(
    'calls a model with %s quantized',
    (opType) => {
      expect(describeModel(encodeModel({ ...model, graph: { node: [{ opType }] } })).quantized).toBe(true)
    },
  )

  it('names an input without a rank, for backends that need one', () => {
    const withoutShape = { name: 'x', type: { tensorType: { elemType: 1 } } }
    const description = describeModel(encodeModel({ ...model, graph: { input: [withoutShape] } }))
    expect(() => checkInputRanks(description)).toThrow(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED', received: 'x' }),
    )
    expect(() => checkInputRanks(describeModel(encodeModel(model)))).not.toThrow()
  })

  it('refuses inputs that no tensor can feed, and models without an operator set', () => {
    const withInput = (elemType: number) =>
      encodeModel({ ...model, graph: { input: [{ name: 's', type: { tensorType: { elemType } } }] } })
    expect(() => describeModel(withInput(8))).toThrow(/'s', got string/)
    expect(() => describeModel(withInput(99))).toThrow(/data type 99/)
    const { opsetImport: _, ...without } = model
    expect(() => describeModel(encodeModel(without))).toThrow(/operator set/)
  })
})
