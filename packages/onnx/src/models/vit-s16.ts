import type { GraphBuilder } from '../build/graph-builder.ts'
import { heDeviation } from '../build/graph-builder.ts'
import type { Value } from '../graph/value.ts'
import { gemm, linear } from './layers.ts'
import { attend, feedForward, layerNorm } from './transformer.ts'

const CHANNELS = 384
const HEADS = 6
const HEAD_SIZE = CHANNELS / HEADS
const LAYERS = 12
const PATCH = 16
const PATCHES = (224 / PATCH) ** 2
const EPSILON = 1e-6

/**
 * ViT-S/16 at 224 pixels with class token and LayerNorm before each branch (Dosovitskiy et al. 2020; sizes of DeiT-S,
 * Touvron et al. 2020): 'input' [batch, 3, 224, 224] -> 'logits' [batch, 1000].
 */
export function vitS16(g: GraphBuilder): void {
  const image = g.input('input', 'float32', ['batch', 3, 224, 224])
  let x = g.scope('embed', () => embed(g, image))
  for (let layer = 0; layer < LAYERS; layer++) {
    x = g.scope(`layer${layer}`, () => {
      const attended = g.op('Add', [x, g.scope('attention', () => selfAttention(g, norm(g, 'norm1', x)))])
      const mixed = g.scope('mlp', () => feedForward(g, norm(g, 'norm2', attended), CHANNELS, 4 * CHANNELS))
      return g.op('Add', [attended, mixed])
    })
  }
  const classToken = g.op('Gather', [norm(g, 'norm', x), g.int64('first', [0], [])], { axis: 1 }) // [batch, C]
  g.output('logits', gemm(g, 'head', classToken, CHANNELS, 1000), 'float32', ['batch', 1000])
}

const norm = (g: GraphBuilder, name: string, x: Value) => layerNorm(g, name, x, CHANNELS, EPSILON)

/** [batch, 3, 224, 224] -> [batch, 1 + patches, C] */
function embed(g: GraphBuilder, image: Value): Value {
  const fanIn = 3 * PATCH * PATCH
  const weight = g.weights('patch.weight', [CHANNELS, 3, PATCH, PATCH], heDeviation(fanIn, 1))
  const size = [PATCH, PATCH]
  const attributes = { dilations: [1, 1], group: 1, kernel_shape: size, pads: [0, 0, 0, 0], strides: size }
  const patches = g.op('Conv', [image, weight, g.weights('patch.bias', [CHANNELS], 0.02)], attributes)
  const flat = g.op('Reshape', [patches, g.int64('flat', [0, CHANNELS, PATCHES])])
  const tokens = g.op('Transpose', [flat], { perm: [0, 2, 1] }) // [batch, patches, C]
  const batch = g.op('Gather', [g.op('Shape', [image]), g.int64('axis', [0])], { axis: 0 })
  const tokenShape = g.op('Concat', [batch, g.int64('token_shape', [1, CHANNELS])], { axis: 0 })
  const classToken = g.op('Expand', [g.weights('class_token', [1, 1, CHANNELS], 0.5), tokenShape])
  const sequence = g.op('Concat', [classToken, tokens], { axis: 1 })
  return g.op('Add', [sequence, g.weights('position', [1, 1 + PATCHES, CHANNELS], 0.5)])
}

/** Query, key and value from one matrix, as timm has it. */
function selfAttention(g: GraphBuilder, x: Value): Value {
  const joined = linear(g, 'qkv', x, CHANNELS, 3 * CHANNELS)
  const split = g.op('Reshape', [joined, g.int64('split', [0, 0, 3, HEADS, HEAD_SIZE])])
  const parts = g.op('Transpose', [split], { perm: [2, 0, 3, 1, 4] }) // [3, batch, heads, S, C / heads]
  const part = (name: string, index: number) => g.op('Gather', [parts, g.int64(name, [index], [])], { axis: 0 })
  const key = g.op('Transpose', [part('key', 1)], { perm: [0, 1, 3, 2] })
  const heads = { query: part('query', 0), key, value: part('value', 2) }
  return linear(g, 'projection', attend(g, heads, CHANNELS, HEAD_SIZE), CHANNELS, CHANNELS)
}
