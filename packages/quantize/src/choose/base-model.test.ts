import { createBackend } from '@lowlat/backend-cpu'
import { type Feeds, Tensor } from '@lowlat/core'
import { createRandom, type Graph, GraphBuilder } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { quantize } from '../quantize.ts'

const backend = createBackend()

/** A channel that is much larger than the others, in front of a depthwise convolution: [N, 3, 4, 4] -> [N, 5]. */
function network(): Graph {
  const g = new GraphBuilder('network', { seed: 3 })
  const x = g.input('x', 'float32', ['batch', 3, 4, 4])
  const weights = Float32Array.from({ length: 24 }, (_, i) => (i < 3 ? 2 : 0.05) * ((i % 5) - 1.7))
  const weight = g.constant('w', new Tensor('float32', [8, 3, 1, 1], weights))
  const expanded = g.op('Relu', [g.op('Conv', [x, weight, g.weights('b', [8], 0.05)])])
  const depthwise = g.op('Relu', [
    g.op('Conv', [expanded, g.weights('dw', [8, 1, 3, 3], 0.5)], { group: 8, pads: [1, 1, 1, 1] }),
  ])
  const pooled = g.op('Flatten', [g.op('GlobalAveragePool', [depthwise])])
  g.output('y', g.op('Gemm', [pooled, g.weights('fc', [8, 5], 0.5)]), 'float32', ['batch', 5])
  return g.graph
}

const samplesOf = (count: number, size = 1): Feeds[] =>
  Array.from({ length: count }, (_, index) => {
    const data = createRandom(index + 1).normals(new Float32Array(48), size)
    return { x: new Tensor('float32', [1, 3, 4, 4], data) }
  })

/** Of the input of the depthwise convolution. */
function scaleOf(graph: Graph): number {
  const quantize = graph.nodes.find(({ name }) => name === 'Relu.QuantizeLinear')!
  return quantize.inputs[1]!.initializer!.tensor.toFloat32()[0]!
}

describe('equal channels', () => {
  const graph = network()
  const plain = { backend, method: 'minmax', weights: 'mse', target: 'trt', leastSqnrDb: 'none' } as const

  it('are tried where all samples that calibrated are kept', async () => {
    const { report } = await quantize(graph, { ...plain, samples: samplesOf(4) })
    expect(report.trials.some(({ choice }) => choice.equalized)).toBe(true)
  })

  it('do not lose the range of samples that were only calibrated with', async () => {
    const samples = [...samplesOf(128), ...samplesOf(2, 10)]
    const none = await quantize(graph, { ...plain, samples, recovery: 'none' })
    const all = await quantize(graph, { ...plain, samples })
    // A zero point, folded into biases, halves the scale; nothing else may.
    expect(scaleOf(all.graph)).toBeGreaterThan(0.45 * scaleOf(none.graph))
    expect(all.report.trials.some(({ choice }) => choice.equalized)).toBe(false)
  }, 60_000)

  it('do not lose the range of a calibration that was handed in', async () => {
    const { calibration, ...wide } = await quantize(graph, { ...plain, samples: samplesOf(4, 10), recovery: 'none' })
    const narrow = await quantize(graph, { ...plain, samples: samplesOf(2), calibration })
    expect(scaleOf(narrow.graph)).toBeGreaterThan(0.45 * scaleOf(wide.graph))
  })
})
