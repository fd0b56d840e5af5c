import { Tensor } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import type { GraphBuilder } from '../build/graph-builder.ts'
import { float } from '../graph/attribute-input.ts'
import type { Value } from '../graph/value.ts'
import { applyPass } from '../testing/apply-pass.ts'
import { foldBatchNormalization } from './fold-batch-normalization.ts'

const normalize = (g: GraphBuilder, x: Value, channels: number) => {
  const variance = g.normals(channels, 0.3).map((value) => 1 + value * value)
  const inputs = [
    x,
    ...['scale', 'shift', 'mean'].map((name) => g.weights(name, [channels], 1)),
    g.constant('variance', new Tensor('float32', [channels], variance)),
  ]
  return g.op('BatchNormalization', inputs, { epsilon: float(1e-3) })
}
const image = (g: GraphBuilder) => g.input('x', 'float32', ['batch', 4, 5, 5])
const output = (g: GraphBuilder, y: Value, channels: number) =>
  g.output('y', y, 'float32', ['batch', channels, 'height', 'width'])
const conv = (g: GraphBuilder, x: Value, bias: boolean, attributes = {}) =>
  g.op('Conv', [x, g.weights('w', [6, 2, 3, 3], 0.3), ...(bias ? [g.weights('b', [6], 1)] : [])], {
    group: 2,
    ...attributes,
  })

describe('batch normalisation behind a layer', () => {
  it.each([true, false])('becomes part of a grouped convolution, with bias: %s', async (bias) => {
    const { operators, graph } = await applyPass(foldBatchNormalization, (g) =>
      output(g, normalize(g, conv(g, image(g), bias, { pads: [1, 1, 1, 1] }), 6), 6),
    )
    expect(operators).toBe('Conv')
    expect(graph.initializers).toHaveLength(2)
  })

  it('becomes part of a grouped transposed convolution', async () => {
    const { operators } = await applyPass(foldBatchNormalization, (g) => {
      const y = g.op('ConvTranspose', [image(g), g.weights('w', [4, 3, 2, 2], 0.3)], { group: 2, strides: [2, 2] })
      output(g, normalize(g, y, 6), 6)
    })
    expect(operators).toBe('ConvTranspose')
  })

  it.each([
    [0, [1, 3]],
    [1, [3]],
    [1, []],
  ])('becomes part of a Gemm with factors: transB %i, bias %j', async (transB, biasShape) => {
    const { operators } = await applyPass(foldBatchNormalization, (g) => {
      const x = g.input('x', 'float32', ['batch', 4])
      const weight = g.weights('w', transB ? [3, 4] : [4, 3], 0.5)
      const attributes = { transB, alpha: float(0.5), beta: float(2) }
      const y = g.op('Gemm', [x, weight, g.weights('b', biasShape, 1)], attributes)
      g.output('y', normalize(g, y, 3), 'float32', ['batch', 3])
    })
    expect(operators).toBe('Gemm')
  })

  it('keeps weights that another layer reads', async () => {
    const { operators, graph } = await applyPass(foldBatchNormalization, (g) => {
      const x = image(g)
      const first = conv(g, x, false)
      output(g, normalize(g, first, 6), 6)
      g.output('z', g.op('Conv', [x, first.producer!.inputs[1]], { group: 2 }), 'float32', ['batch', 6, 'h', 'w'])
    })
    expect(operators).toBe('Conv Conv')
    expect(graph.initializers).toHaveLength(3)
  })

  it('stays where something else reads the layer, and where it is an output', async () => {
    const shared = await applyPass(foldBatchNormalization, (g) => {
      const y = conv(g, image(g), false)
      output(g, g.op('Add', [normalize(g, y, 6), y]), 6)
    })
    expect(shared.changes).toBe(0)
    const both = await applyPass(foldBatchNormalization, (g) => {
      const y = conv(g, image(g), false)
      g.output('conv', y, 'float32', ['batch', 6, 'h', 'w'])
      output(g, normalize(g, y, 6), 6)
    })
    expect(both.changes).toBe(0)
  })

  it('stays where the weight is no constant, or of another type', async () => {
    const { changes } = await applyPass(foldBatchNormalization, (g) => {
      const weight = g.input('w', 'float32', [6, 4, 3, 3])
      output(g, normalize(g, g.op('Conv', [image(g), weight]), 6), 6)
    })
    expect(changes).toBe(0)
  })

  it('stays while training, where it uses the statistics of its input', async () => {
    const { changes } = await applyPass(foldBatchNormalization, (g) => {
      const y = normalize(g, conv(g, image(g), false), 6)
      const node = y.producer!
      node.setAttribute('training_mode', { type: 'int', value: 1n })
      const [x, scale, shift] = node.inputs
      // The third output of a training node is the running variance.
      const training = g.graph.addNode({
        opType: 'BatchNormalization',
        inputs: [x, scale, shift, ...node.inputs.slice(3)],
        outputs: 3,
        attributes: { training_mode: 1 },
      })
      g.graph.removeNode(node)
      output(g, training.outputs[0]!, 6)
    })
    expect(changes).toBe(0)
  })
})

describe('batch normalisation before a layer', () => {
  it('becomes part of a convolution that does not pad', async () => {
    const { operators } = await applyPass(foldBatchNormalization, (g) =>
      output(g, conv(g, normalize(g, image(g), 4), true), 6),
    )
    expect(operators).toBe('Conv')
  })

  it('becomes part of a Gemm', async () => {
    const { operators } = await applyPass(foldBatchNormalization, (g) => {
      const x = g.input('x', 'float32', ['batch', 4])
      const y = g.op('Gemm', [normalize(g, x, 4), g.weights('w', [4, 3], 0.5)], { alpha: float(0.5) })
      g.output('y', y, 'float32', ['batch', 3])
    })
    expect(operators).toBe('Gemm')
  })

  it.each([
    ['pads', { pads: [0, 0, 0, 1] }],
    ['pads by itself', { auto_pad: 'SAME_UPPER' }],
  ])('stays where the convolution %s', async (_, attributes) => {
    const { changes } = await applyPass(foldBatchNormalization, (g) =>
      output(g, conv(g, normalize(g, image(g), 4), false, attributes), 6),
    )
    expect(changes).toBe(0)
  })
})
