import { GraphBuilder, type Value } from '@lowlat/onnx'

/** [M, C, k, k] weights and [M] biases on [N, C, H, W], same size. */
export function conv(
  g: GraphBuilder,
  name: string,
  x: Value,
  [inputs, outputs]: readonly [number, number],
  kernel = 3,
) {
  const pad = kernel >> 1
  return g.scope(name, () =>
    g.op('Conv', [x, g.weights('weight', [outputs, inputs, kernel, kernel], 0.3), g.weights('bias', [outputs], 0.1)], {
      pads: [pad, pad, pad, pad],
    }),
  )
}

export function gemm(g: GraphBuilder, name: string, x: Value, [inputs, outputs]: readonly [number, number]) {
  return g.scope(name, () =>
    g.op('Gemm', [x, g.weights('weight', [outputs, inputs], 0.3), g.weights('bias', [outputs], 0.1)], { transB: 1 }),
  )
}

/** Stem, a residual block whose shortcut has a convolution, one whose shortcut has none, pooling, classifier. */
export function residualNetwork() {
  const g = new GraphBuilder('residual')
  const image = g.input('image', 'float32', ['batch', 3, 8, 8])
  const stem = g.op('MaxPool', [g.op('Relu', [conv(g, 'stem', image, [3, 8])])], {
    kernel_shape: [2, 2],
    strides: [2, 2],
  })
  const branch = conv(g, 'block1.b', g.op('Relu', [conv(g, 'block1.a', stem, [8, 8])]), [8, 8])
  const sum = g.op('Relu', [g.op('Add', [branch, conv(g, 'block1.shortcut', stem, [8, 8], 1)])])
  const second = g.op('Relu', [g.op('Add', [conv(g, 'block2.a', sum, [8, 8]), sum])])
  const pooled = g.op('Flatten', [g.op('GlobalAveragePool', [second])])
  g.output('logits', gemm(g, 'fc', pooled, [8, 5]), 'float32', ['batch', 5])
  return g.graph
}
