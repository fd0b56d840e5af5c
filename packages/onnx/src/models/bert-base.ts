import type { GraphBuilder } from '../build/graph-builder.ts'
import type { Value } from '../graph/value.ts'
import { gemm, linear } from './layers.ts'
import { attend, feedForward, layerNorm } from './transformer.ts'

const CHANNELS = 768
const HEADS = 12
const HEAD_SIZE = CHANNELS / HEADS
const LAYERS = 12
const VOCABULARY = 30522
const MAX_POSITIONS = 512
const TOKEN_TYPES = 2
const EPSILON = 1e-12
/** Standard deviation of the embeddings in Devlin et al. 2018. */
const EMBEDDING_DEVIATION = 0.02
/** What is added to the scores of masked positions. */
const MASKED = -10_000

/**
 * BERT-base encoder (uncased vocabulary, with pooler): 'input_ids', 'attention_mask', 'token_type_ids' int64
 * [batch, sequence] with sequence up to 512 -> 'last_hidden_state' [batch, sequence, 768], 'pooler_output' [batch, 768].
 */
export function bertBase(g: GraphBuilder): void {
  const shape = ['batch', 'sequence']
  const ids = g.input('input_ids', 'int64', shape)
  const attentionMask = g.input('attention_mask', 'int64', shape)
  const tokenTypes = g.input('token_type_ids', 'int64', shape)
  const mask = g.scope('mask', () => additiveMask(g, attentionMask))
  let x = g.scope('embeddings', () => embed(g, ids, tokenTypes))
  for (let layer = 0; layer < LAYERS; layer++) {
    x = g.scope(`layer${layer}`, () => {
      const attended = g.scope('attention', () => selfAttention(g, x, mask))
      const normed = norm(g, 'attention_norm', g.op('Add', [attended, x]))
      const mixed = g.scope('mlp', () => feedForward(g, normed, CHANNELS, 4 * CHANNELS))
      return norm(g, 'norm', g.op('Add', [mixed, normed]))
    })
  }
  const first = g.op('Gather', [x, g.int64('first', [0], [])], { axis: 1 }) // [batch, C]
  const pooled = g.op('Tanh', [gemm(g, 'pooler', first, CHANNELS, CHANNELS)])
  g.output('last_hidden_state', x, 'float32', [...shape, CHANNELS])
  g.output('pooler_output', pooled, 'float32', ['batch', CHANNELS])
}

const norm = (g: GraphBuilder, name: string, x: Value) => layerNorm(g, name, x, CHANNELS, EPSILON)

/** [batch, sequence] of 1 and 0 -> [batch, 1, 1, sequence] of 0 and -10,000 */
function additiveMask(g: GraphBuilder, attentionMask: Value): Value {
  const broadcast = g.op('Unsqueeze', [attentionMask, g.int64('axes', [1, 2])])
  const keep = g.op('Cast', [broadcast], { to: 1 })
  const drop = g.op('Sub', [g.scalar('one', 'float32', 1), keep])
  return g.op('Mul', [drop, g.scalar('masked', 'float32', MASKED)])
}

/** Sum of word, position and token type embeddings, normalised: [batch, sequence, C] */
function embed(g: GraphBuilder, ids: Value, tokenTypes: Value): Value {
  const table = (name: string, rows: number) => g.weights(name, [rows, CHANNELS], EMBEDDING_DEVIATION)
  const words = g.op('Gather', [table('word', VOCABULARY), ids])
  const types = g.op('Gather', [table('token_type', TOKEN_TYPES), tokenTypes])
  const length = g.op('Gather', [g.op('Shape', [ids]), g.int64('sequence_axis', [1])], { axis: 0 })
  const numbers = g.int64(
    'position_ids',
    Array.from({ length: MAX_POSITIONS }, (_, index) => index),
    [1, MAX_POSITIONS],
  )
  const positions = g.op('Slice', [numbers, g.int64('start', [0]), length, g.int64('slice_axis', [1])])
  const places = g.op('Gather', [table('position', MAX_POSITIONS), positions]) // [1, sequence, C]
  return norm(g, 'norm', g.op('Add', [g.op('Add', [words, types]), places]))
}

function selfAttention(g: GraphBuilder, x: Value, mask: Value): Value {
  const shape = g.int64('heads', [0, 0, HEADS, HEAD_SIZE])
  const project = (name: string, perm: readonly number[]) =>
    g.op('Transpose', [g.op('Reshape', [linear(g, name, x, CHANNELS, CHANNELS), shape])], { perm })
  const heads = {
    query: project('query', [0, 2, 1, 3]),
    key: project('key', [0, 2, 3, 1]),
    value: project('value', [0, 2, 1, 3]),
  }
  return linear(g, 'output', attend(g, heads, CHANNELS, HEAD_SIZE, mask), CHANNELS, CHANNELS)
}
