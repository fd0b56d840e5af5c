import { Tensor } from '@lowlat/core'
import { GraphBuilder } from '../build/graph-builder.ts'
import { onnxFromGraph } from '../graph/to-onnx.ts'

/** A model of about 2 KB in which every portable pass has something to do: [batch, 2, 6, 6] -> [batch, 12]. */
export function variedModel(): Uint8Array {
  const g = new GraphBuilder('varied')
  const x = g.input('x', 'float32', ['batch', 2, 6, 6])
  const vector = (name: string, length: number) =>
    g.constant(
      name,
      new Tensor(
        'float32',
        [length],
        Float32Array.from({ length }, (_, i) => 1 + i / 4),
      ),
    )
  const conv = g.op('Conv', [g.op('Identity', [x]), g.weights('w', [3, 2, 3, 3], 0.3)])
  const norm = g.op('BatchNormalization', [conv, ...['s', 'b', 'm', 'v'].map((name) => vector(name, 3))])
  const sum = g.op('Add', [norm, g.weights('c', [1, 3, 1, 1], 1)])
  const quantize = (opType: string, value: typeof x) =>
    g.op(opType, [value, g.scalar('scale', 'float32', 0.05), g.scalar('zero', 'uint8', 128)])
  const steps = ['QuantizeLinear', 'DequantizeLinear', 'QuantizeLinear', 'DequantizeLinear']
  const real = steps.reduce((value, opType) => quantize(opType, value), sum)
  const twice = g.op('Transpose', [g.op('Transpose', [real], { perm: [0, 2, 3, 1] })], { perm: [0, 3, 1, 2] })
  const wide = g.op('Cast', [g.op('Cast', [twice], { to: 11 })], { to: 1 })
  const pool = g.op('MaxPool', [wide], { kernel_shape: [2, 2], strides: [2, 2] })
  const size = g.op('Gather', [g.op('Shape', [pool]), g.int64('first', [0])])
  const shape = g.op('Concat', [size, g.op('Neg', [g.int64('one', [1])])], { axis: 0 })
  const rows = g.op('Reshape', [g.op('Flatten', [pool]), g.int64('rows', [-1, 3, 4])])
  const flat = g.op('Reshape', [rows, shape])
  const [a, b] = [g.op('Relu', [flat]), g.op('Relu', [flat])]
  const scaled = g.op('Mul', [b, g.op('Expand', [g.scalar('half', 'float32', 0.5), g.int64('n', [12])])])
  g.output('y', g.op('Add', [a, scaled]), 'float32', ['batch', 12])
  return onnxFromGraph(g.graph)
}
