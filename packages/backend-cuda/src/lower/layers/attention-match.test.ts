import { float, GraphBuilder, generateGraph, type Value } from '@lowlat/onnx'
import { describe, expect, it } from 'vitest'
import { factsOf } from '../../testing/facts.ts'
import { type AttentionMatch, attentionOf } from './attention-match.ts'

type Scores = (g: GraphBuilder, query: Value, key: Value) => Value

function matchesOf(graph: GraphBuilder['graph'], inputShapes = {}): AttentionMatch[] {
  const facts = factsOf(graph, 'fp32', inputShapes)
  return graph.nodes.flatMap((node) => attentionOf(node, facts) ?? [])
}

function found(scores: Scores, axis = -1): AttentionMatch | undefined {
  const g = new GraphBuilder('attention')
  const query = g.input('query', 'float32', [2, 3, 5, 8])
  const key = g.input('key', 'float32', [2, 3, 8, 7])
  const weights = g.op('Softmax', [scores(g, query, key)], { axis })
  const mixed = g.op('MatMul', [weights, g.input('value', 'float32', [2, 3, 7, 8])])
  g.output('mixed', mixed, 'float32', [2, 3, 5, 8])
  return matchesOf(g.graph)[0]
}

const number = (g: GraphBuilder, value: number) => g.scalar('n', 'float32', value)
const names = ({ query, key, value, mask }: AttentionMatch) => [query, key, value, mask].map((one) => one?.name)

describe('attentionOf', () => {
  it('takes scores that are scaled and masked', () => {
    const match = found((g, query, key) => {
      const scaled = g.op('Div', [g.op('MatMul', [query, key]), number(g, 4)])
      return g.op('Add', [scaled, g.input('mask', 'float32', [2, 1, 1, 7])])
    })!
    expect(names(match)).toEqual(['query', 'key', 'value', 'mask'])
    expect(match.scale).toBe(0.25)
    expect(match.nodes.map(({ opType }) => opType)).toEqual(['MatMul', 'Div', 'Add', 'Softmax', 'MatMul'])
    expect(match.scoresShape).toEqual([2, 3, 5, 7])
  })

  it('takes query and key that are scaled each', () => {
    const match = found((g, query, key) => {
      return g.op('MatMul', [g.op('Mul', [query, number(g, 0.5)]), g.op('Mul', [number(g, 0.5), key])])
    })!
    expect(names(match)).toEqual(['query', 'key', 'value', undefined])
    expect(match.scale).toBe(0.25)
    expect(match.nodes).toHaveLength(5)
  })

  it('leaves a mask that is scaled as well, scores that others read, and another axis', () => {
    const mask = (g: GraphBuilder) => g.input('mask', 'float32', [7])
    expect(
      found((g, query, key) => g.op('Mul', [g.op('Add', [g.op('MatMul', [query, key]), mask(g)]), number(g, 2)])),
    ).toBeUndefined()
    expect(
      found((g, query, key) => {
        const scores = g.op('MatMul', [query, key])
        g.output('scores', scores, 'float32', [2, 3, 5, 7])
        return scores
      }),
    ).toBeUndefined()
    expect(found((g, query, key) => g.op('MatMul', [query, key]), 2)).toBeUndefined()
    expect(found((g, query) => g.op('LeakyRelu', [query], { alpha: float(0.5) }))).toBeUndefined()
  })

  it('finds every layer of ViT-S/16 and BERT-base', () => {
    expect(matchesOf(generateGraph('vit_s16'), { input: [1, 3, 224, 224] })).toHaveLength(12)
    const ids = [1, 16]
    const matches = matchesOf(generateGraph('bert_base'), { input_ids: ids, attention_mask: ids, token_type_ids: ids })
    expect(matches).toHaveLength(12)
    expect(matches.every(({ mask, scale }) => mask && scale === 1 / 8)).toBe(true)
  })
})
