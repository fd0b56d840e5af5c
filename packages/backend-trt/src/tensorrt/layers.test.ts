import { describe, expect, it } from 'vitest'
import { layersFromJson } from './layers.ts'

const tensor = (format: string) => ({ Name: 't', Location: 'Device', Dimensions: [1, 8], 'Format/Datatype': format })
const precisionOf = (format: string) =>
  layersFromJson(JSON.stringify({ Layers: [{ Name: 'l', Inputs: [tensor(format)] }] })).layers[0]!.precision

describe("what TensorRT's inspector says", () => {
  it('is typed, with the precision that a layer computes in', () => {
    const content = {
      Layers: [
        {
          Name: 'conv1 + relu1',
          LayerType: 'CaskConvolution',
          Inputs: [tensor('Four wide channel vectorized row major Int8 format')],
          Outputs: [tensor('Row major linear FP32')],
          ParameterType: 'Convolution',
          TacticName: 'sm80_xmma_fprop',
          TacticValue: '0x1',
          Metadata: '[ONNX Layer: conv1]\u001e[ONNX Layer: relu1]',
        },
      ],
      Bindings: ['x', 'y'],
    }
    const { layers, bindings } = layersFromJson(JSON.stringify(content))
    expect(bindings).toEqual(['x', 'y'])
    expect(layers[0]).toMatchObject({
      name: 'conv1 + relu1',
      type: 'Convolution',
      precision: 'INT8',
      tactic: 'sm80_xmma_fprop',
      nodes: ['conv1', 'relu1'],
      inputs: [{ name: 't', shape: [1, 8], precision: 'INT8' }],
      outputs: [{ precision: 'FP32' }],
    })
    expect(layers[0]!.details).toMatchObject({ TacticValue: '0x1' })
  })

  it.each([
    ['Row major linear FP16', 'FP16'],
    ['Channel major FP16 format where channel % 8 == 0', 'FP16'],
    ['Half', 'FP16'],
    ['Float', 'FP32'],
    ['BFloat16', 'BF16'],
    ['FP8', 'FP8'],
    ['Row major INT8 format', 'INT8'],
    ['Int64', 'INT64'],
    ['Bool', 'BOOL'],
    ['something new', undefined],
  ])("writes '%s' as %s", (format, precision) => {
    expect(precisionOf(format)).toBe(precision)
  })

  it('is names alone where the engine was built so', () => {
    expect(layersFromJson('{"Layers":["conv1","relu1"]}').layers.map(({ name }) => name)).toEqual(['conv1', 'relu1'])
    expect(() => layersFromJson('[]')).toThrow(/inspector/)
  })
})
