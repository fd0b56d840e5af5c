/** Operators of com.microsoft that ONNX Runtime's optimiser and quantizer write, after its ContribOperators.md. */
import type { PartialShape } from '../../graph/value-type.ts'
import { broadcast, mapDim, type PartialDim } from '../dims.ts'
import { each, type Rule, type Rules, type Site } from '../site.ts'
import { convolution } from './convolution.ts'
import { same } from './elementwise.ts'
import { gemmShape, multiplied } from './matrix.ts'
import { globallyPooled, pooled } from './pooling.ts'
import { quantization } from './quantization.ts'
import { joined } from './selection.ts'

function like(index: number, shape: (site: Site) => PartialShape | undefined): Rule {
  return (site) => [{ elementType: site.type(index), shape: shape(site) }]
}

/** An operand of a matrix product, whose axes may be stored in another order. */
function fusedOperand(site: Site, index: number, letter: 'A' | 'B'): PartialShape | undefined {
  const shape = site.shape(index)
  if (!shape || shape.length < 2) return shape
  const moved = [...shape]
  // [m, batch..., k] stands for [batch..., m, k].
  if (site.node.int(`transBatch${letter}`, 0) !== 0) moved.splice(-1, 0, moved.shift())
  if (site.node.int(`trans${letter}`, 0) !== 0) moved.push(...moved.splice(-2, 1))
  return moved
}

const fusedMatMul: Rule = like(0, (site) => multiplied(site, fusedOperand(site, 0, 'A'), fusedOperand(site, 1, 'B')))

/** Output, mean, inverse deviation, and the sum that was normalised. */
const skipLayerNormalization: Rule = (site) => {
  const shape = site.shape(0)
  const statistics = { elementType: 'float32', shape: shape && [...shape.slice(0, -1), 1] } as const
  return [site.like(0), statistics, statistics, site.like(0)]
}

/** Ids [batch, seq] and embeddings [count, hidden] to [batch, seq, hidden], a mask [batch] and the sum of embeddings. */
const embedLayerNormalization: Rule = (site) => {
  const ids = site.shapeOf(0, 2)
  const embedded = { elementType: site.type(2), shape: [ids?.[0], ids?.[1], site.shapeOf(2, 2)?.[1]] }
  return [embedded, { elementType: 'int32', shape: [ids?.[0]] }, embedded]
}

/** Input [batch, seq, size] and weights [size, queries + keys + values] to [batch, seq, values]. */
const attention =
  (type: number): Rule =>
  (site) => {
    const [x, weights] = [site.shapeOf(0, 3), site.shapeOf(1, 2)]
    const sizes = site.node.ints('qkv_hidden_sizes', [])
    const values: PartialDim = sizes.length === 3 ? sizes[2] : mapDim(weights?.[1], (size) => size / 3)
    return [{ elementType: site.type(type), shape: [x?.[0], x?.[1], values] }, undefined]
  }

/** Queries and values [batch, seq, size]; other layouts are packed per head. */
const multiHeadAttention: Rule = (site) => {
  const [queries, values] = [site.shape(0), site.has(2) ? site.shape(2) : site.shape(0)]
  const plain = queries?.length === 3 && values?.length === 3
  return [{ elementType: site.type(0), shape: plain ? [queries[0], queries[1], values[2]] : undefined }]
}

/** a, a_scale, a_zero_point, b, b_scale, b_zero_point, c_scale, c_zero_point */
const qLinearBinary: Rule = like(0, (site) => broadcast(site.node, site.shape(0), site.shape(3)))

/** y_scale, y_zero_point, then tensor, scale and zero point of every part. */
const qLinearConcat: Rule = like(1, (site) => {
  const parts = site.inputs.slice(2).flatMap((fact, index) => (index % 3 === 0 ? [fact?.shape] : []))
  return joined(site, parts, site.node.int('axis'))
})

/** Pools [N, C, ...], or [N, ..., C] where the attribute `channels_last` says so. */
function channelsLast(pool: (site: Site, shape: PartialShape | undefined) => PartialShape | undefined): Rule {
  return like(0, (site) => {
    const shape = site.shapeFrom(0, 3)
    if (!shape || site.node.int('channels_last', 0) === 0) return pool(site, shape)
    const result = pool(site, [shape[0], shape.at(-1), ...shape.slice(1, -1)])
    return result && [result[0], ...result.slice(2), result[1]]
  })
}

/** a, a_scale, a_zero_point, b, b_scale, b_zero_point, c, y_scale, y_zero_point; floats without the last two. */
const qGemm: Rule = (site) => [{ elementType: site.has(8) ? site.type(8) : site.type(1), shape: gemmShape(site, 0, 3) }]

/** Weights [N, ...] packed to few bits: the attributes hold the matrix's sizes. */
const matMulNBits: Rule = like(0, (site) => {
  const shape = site.shapeFrom(0, 1)
  return shape && [...shape.slice(0, -1), site.node.int('N')]
})

const domain = 'com.microsoft'

export const contrib: Rules = Object.fromEntries(
  Object.entries<Rule>({
    ...each(
      'Gelu FastGelu BiasGelu QuickGelu QLinearSigmoid QLinearLeakyRelu QLinearSoftmax RotaryEmbedding BiasSoftmax',
      same,
    ),
    FusedConv: convolution.Conv!,
    FusedGemm: like(0, (site) => gemmShape(site, 0, 1)),
    ...each('FusedMatMul TransposeMatMul', fusedMatMul),
    ...each('SkipLayerNormalization SkipSimplifiedLayerNormalization', skipLayerNormalization),
    EmbedLayerNormalization: embedLayerNormalization,
    Attention: attention(0),
    QAttention: attention(3),
    MultiHeadAttention: multiHeadAttention,
    ...each('QLinearAdd QLinearMul', qLinearBinary),
    QLinearConcat: qLinearConcat,
    QLinearAveragePool: channelsLast(pooled),
    QLinearGlobalAveragePool: channelsLast((_, shape) => globallyPooled(shape)),
    DynamicQuantizeMatMul: like(0, (site) => multiplied(site, site.shape(0), site.shape(1))),
    MatMulIntegerToFloat: like(2, (site) => multiplied(site, site.shape(0), site.shape(1))),
    QGemm: qGemm,
    MatMulNBits: matMulNBits,
    QuantizeLinear: quantization.QuantizeLinear!,
    DequantizeLinear: quantization.DequantizeLinear!,
  }).map(([opType, rule]) => [`${domain}:${opType}`, rule]),
)
