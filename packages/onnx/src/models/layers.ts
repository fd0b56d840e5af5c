import { Tensor } from '@lowlat/core'
import { type GraphBuilder, heDeviation } from '../build/graph-builder.ts'
import { float } from '../graph/attribute-input.ts'
import type { Value } from '../graph/value.ts'

/** 'folded' into the convolution, as an exported evaluation model has it, or as nodes of their own. */
export type BatchNorm = 'folded' | 'separate'

export interface ConvOptions {
  readonly inChannels: number
  readonly outChannels: number
  readonly kernel: number
  readonly stride?: number
  readonly groups?: number
  /** Mean square of the input's distribution that the weights make up for: 2 after a rectifier. */
  readonly gain?: 1 | 2
  /** Scale of the output; below 1 for the last layer of a residual branch, so that sums do not grow. */
  readonly scale?: number
}

const EPSILON = 1e-5

/** Convolution without padding loss (kernel / 2 on each side) and batch normalisation: [N, C, H, W] -> [N, C', H', W']. */
export function convBatchNorm(
  g: GraphBuilder,
  name: string,
  x: Value,
  options: ConvOptions,
  batchNorm: BatchNorm,
): Value {
  const { inChannels, outChannels, kernel, stride = 1, groups = 1, gain = 2, scale = 1 } = options
  return g.scope(name, () => {
    const fanIn = (inChannels / groups) * kernel * kernel
    const weights = g.normals(outChannels * fanIn, heDeviation(fanIn, gain))
    const norm = drawBatchNorm(g, outChannels, scale)
    const folded = batchNorm === 'folded'
    if (folded) foldScale(weights, norm)
    const weight = g.constant(
      'weight',
      new Tensor('float32', [outChannels, inChannels / groups, kernel, kernel], weights),
    )
    const vector = (key: string, data: Float32Array) => g.constant(key, new Tensor('float32', [outChannels], data))
    const pad = kernel >> 1
    const conv = g.op('Conv', folded ? [x, weight, vector('bias', foldBias(norm))] : [x, weight], {
      dilations: [1, 1],
      group: groups,
      kernel_shape: [kernel, kernel],
      pads: [pad, pad, pad, pad],
      strides: [stride, stride],
    })
    if (folded) return conv
    const { scale: gamma, bias, mean, variance } = norm
    const parameters = [
      vector('bn.scale', gamma),
      vector('bn.bias', bias),
      vector('bn.mean', mean),
      vector('bn.var', variance),
    ]
    return g.op('BatchNormalization', [conv, ...parameters], { epsilon: float(EPSILON) })
  })
}

interface BatchNormParameters {
  readonly scale: Float32Array
  readonly bias: Float32Array
  readonly mean: Float32Array
  readonly variance: Float32Array
}

/** Near the identity, as the statistics of He-initialised layers are, but different in every channel. */
function drawBatchNorm(g: GraphBuilder, channels: number, scale: number): BatchNormParameters {
  return {
    scale: g.normals(channels, 0.1 * scale).map((value) => value + scale),
    bias: g.normals(channels, 0.1 * scale),
    mean: g.normals(channels, 0.1),
    variance: new Float32Array(channels).map(() => 0.8 + 0.4 * g.random.uniform()),
  }
}

const factor = (norm: BatchNormParameters, channel: number) =>
  norm.scale[channel]! / Math.sqrt(norm.variance[channel]! + EPSILON)

/** weight' = weight * scale / sqrt(variance + epsilon), per output channel, in place. */
function foldScale(weights: Float32Array, norm: BatchNormParameters): void {
  const perChannel = weights.length / norm.scale.length
  for (let channel = 0; channel < norm.scale.length; channel++) {
    const multiplier = factor(norm, channel)
    for (let i = channel * perChannel; i < (channel + 1) * perChannel; i++) weights[i] = weights[i]! * multiplier
  }
}

/** bias' = bias - mean * scale / sqrt(variance + epsilon) */
function foldBias(norm: BatchNormParameters): Float32Array {
  return norm.bias.map((value, channel) => value - norm.mean[channel]! * factor(norm, channel))
}

/** Global average pooling and a classifier: [N, C, H, W] -> [N, classes] as 'logits'. */
export function classifier(g: GraphBuilder, x: Value, channels: number, classes: number): void {
  const pooled = g.op('Flatten', [g.op('GlobalAveragePool', [x])], { axis: 1 })
  g.output('logits', gemm(g, 'fc', pooled, channels, classes), 'float32', ['batch', classes])
}

/** A fully connected layer on matrices: [N, C] -> [N, C']. */
export function gemm(g: GraphBuilder, name: string, x: Value, inputs: number, outputs: number): Value {
  return g.scope(name, () => {
    const weight = g.weights('weight', [outputs, inputs], heDeviation(inputs, 1))
    return g.op('Gemm', [x, weight, g.weights('bias', [outputs], 0.02)], { transB: 1 })
  })
}

/** A fully connected layer on the last axis, as PyTorch exports it for more than two axes: [..., C] -> [..., C']. */
export function linear(g: GraphBuilder, name: string, x: Value, inputs: number, outputs: number): Value {
  return g.scope(name, () => {
    const weight = g.weights('weight', [inputs, outputs], heDeviation(inputs, 1))
    return g.op('Add', [g.op('MatMul', [x, weight]), g.weights('bias', [outputs], 0.02)])
  })
}
