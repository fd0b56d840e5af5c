import { type DType, dtypes, type Tensor, type TensorInfo } from '@lowlat/core'
import { encodeModel, GraphBuilder, onnxFromGraph } from '@lowlat/onnx'

type Node = readonly [operator: string, inputs: readonly string[], outputs: readonly string[]]

interface SmallModel {
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  readonly nodes: readonly Node[]
  readonly initializers?: Readonly<Record<string, Tensor>>
}

/** ONNX bytes of a model of a few nodes without attributes (opset 13, IR version 8). */
export function smallModel({ inputs, outputs, nodes, initializers = {} }: SmallModel): Uint8Array {
  return encodeModel({
    irVersion: 8n,
    producerName: 'lowlat',
    opsetImport: [{ domain: '', version: 13n }],
    graph: {
      name: 'contract',
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
      node: nodes.map(([opType, input, output]) => ({ name: `${opType}_${output[0]}`, opType, input, output })),
      initializer: Object.entries(initializers).map(([name, { dtype, shape, bytes }]) => ({
        name,
        dataType: dtypes[dtype].onnxCode,
        dims: shape.map(BigInt),
        rawData: bytes,
      })),
    },
  })
}

function valueInfo({ name, dtype, shape }: TensorInfo) {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: BigInt(size) } : { dimParam: size }))
  return { name, type: { tensorType: { elemType: dtypes[dtype].onnxCode, shape: { dim } } } }
}

const info = (name: string, shape: TensorInfo['shape'], dtype: DType = 'float32'): TensorInfo => ({
  name,
  dtype,
  shape,
})

/** y = x, for one dtype. */
export const identityModel = (dtype: DType): Uint8Array =>
  smallModel({
    inputs: [info('x', ['n'], dtype)],
    outputs: [info('y', ['n'], dtype)],
    nodes: [['Identity', ['x'], ['y']]],
  })

/** sum = a + b and difference = a - b, over [batch, 4]. */
export const sumModel = (): Uint8Array =>
  smallModel({
    inputs: [info('a', ['batch', 4]), info('b', ['batch', 4])],
    outputs: [info('sum', ['batch', 4]), info('difference', ['batch', 4])],
    nodes: [
      ['Add', ['a', 'b'], ['sum']],
      ['Sub', ['a', 'b'], ['difference']],
    ],
  })

/** y = relu(x * weights), [batch, k] times [k, n]. */
export const denseModel = (weights: Tensor): Uint8Array =>
  smallModel({
    inputs: [info('x', ['batch', weights.shape[0]!])],
    outputs: [info('y', ['batch', weights.shape[1]!])],
    nodes: [
      ['MatMul', ['x', 'weights'], ['product']],
      ['Relu', ['product'], ['y']],
    ],
    initializers: { weights },
  })

/** row = table[index]: fails for an index out of range. */
export const gatherModel = (table: Tensor): Uint8Array =>
  smallModel({
    inputs: [info('index', [], 'int64')],
    outputs: [info('row', [table.shape[1]!])],
    nodes: [['Gather', ['table', 'index'], ['row']]],
    initializers: { table },
  })

/** y = NoSuchOperator(x). */
export const unknownOperatorModel = (): Uint8Array =>
  smallModel({
    inputs: [info('x', [4])],
    outputs: [info('y', [4])],
    nodes: [['NoSuchOperator', ['x'], ['y']]],
  })

/** Pictures of any size to ten numbers: 'image' [batch, 3, height, width] -> 'logits' [batch, 10]. */
export function pictureModel(): Uint8Array {
  const g = new GraphBuilder('pictures', { seed: 1 })
  const image = g.input('image', 'float32', ['batch', 3, 'height', 'width'])
  const features = g.op('Relu', [g.op('Conv', [image, g.weights('w', [8, 3, 3, 3], 0.3)], { strides: [4, 4] })])
  const means = g.op('Flatten', [g.op('GlobalAveragePool', [features])])
  g.output('logits', g.op('Gemm', [means, g.weights('v', [8, 10], 0.3)]), 'float32', ['batch', 10])
  return onnxFromGraph(g.graph)
}
