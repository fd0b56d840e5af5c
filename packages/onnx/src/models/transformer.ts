import { Tensor } from '@lowlat/core'
import type { GraphBuilder } from '../build/graph-builder.ts'
import { float } from '../graph/attribute-input.ts'
import type { Value } from '../graph/value.ts'
import { linear } from './layers.ts'

/** LayerNormalization over the last axis: [..., C] -> [..., C]. */
export function layerNorm(g: GraphBuilder, name: string, x: Value, channels: number, epsilon: number): Value {
  return g.scope(name, () => {
    const scale = g.normals(channels, 0.05).map((value) => value + 1)
    const weight = g.constant('weight', new Tensor('float32', [channels], scale))
    const bias = g.weights('bias', [channels], 0.05)
    return g.op('LayerNormalization', [x, weight, bias], { axis: -1, epsilon: float(epsilon) })
  })
}

/** x / 2 * (1 + erf(x / sqrt(2))), in the operators that exporters write before opset 20. */
function gelu(g: GraphBuilder, x: Value): Value {
  return g.scope('gelu', () => {
    const erf = g.op('Erf', [g.op('Div', [x, g.scalar('sqrt2', 'float32', Math.SQRT2)])])
    const gate = g.op('Add', [erf, g.scalar('one', 'float32', 1)])
    return g.op('Mul', [g.op('Mul', [x, gate]), g.scalar('half', 'float32', 0.5)])
  })
}

/** Two linear layers with GELU between them: [N, S, C] -> [N, S, C]. */
export function feedForward(g: GraphBuilder, x: Value, channels: number, hidden: number): Value {
  return linear(g, 'fc2', gelu(g, linear(g, 'fc1', x, channels, hidden)), hidden, channels)
}

interface Heads {
  /** [N, heads, S, C / heads] */
  readonly query: Value
  /** [N, heads, C / heads, S]: transposed already. */
  readonly key: Value
  /** [N, heads, S, C / heads] */
  readonly value: Value
}

/**
 * softmax(query key / sqrt(headSize) + mask) value, and the heads side by side again: [N, S, C].
 * @param mask added to the scores: [N, 1, 1, S], 0 to attend and very negative not to.
 */
export function attend(g: GraphBuilder, heads: Heads, channels: number, headSize: number, mask?: Value): Value {
  const scale = g.scalar('scale', 'float32', Math.sqrt(headSize))
  const scores = g.op('Div', [g.op('MatMul', [heads.query, heads.key]), scale])
  const weights = g.op('Softmax', [mask ? g.op('Add', [scores, mask]) : scores], { axis: -1 })
  const mixed = g.op('Transpose', [g.op('MatMul', [weights, heads.value])], { perm: [0, 2, 1, 3] })
  return g.op('Reshape', [mixed, g.int64('shape', [0, 0, channels])])
}
