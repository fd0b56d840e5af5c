import type { Node } from '../graph/node.ts'

const set = (names: string) => new Set(names.split(' '))

/**
 * Operators whose results leave float16's range or precision for inputs that are well inside it: sums over many
 * elements, squares, exponentials. Normalisations and Softmax contain such sums. Sqrt and Reciprocal read them.
 */
export const overflowProne: ReadonlySet<string> = set(
  [
    'Exp Pow Sqrt Reciprocal Softmax LogSoftmax Log CumSum Det DFT STFT',
    'ReduceSum ReduceMean ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp',
    'LayerNormalization InstanceNormalization GroupNormalization LpNormalization MeanVarianceNormalization',
    'RMSNormalization LRN',
  ].join(' '),
)

/** Operators that ONNX does not define for float16, or whose meaning hangs on the type of their numbers. */
const float32Only = set(
  [
    'QuantizeLinear DequantizeLinear DynamicQuantizeLinear MatMulInteger ConvInteger QLinearConv QLinearMatMul',
    'NonMaxSuppression Range RandomNormal RandomUniform RandomNormalLike RandomUniformLike Multinomial Bernoulli EyeLike',
    'HannWindow HammingWindow BlackmanWindow MelWeightMatrix StringNormalizer TfIdfVectorizer ImageDecoder',
    'IsInf BitCast CastLike Upsample Constant',
    'If Loop Scan SequenceMap Optional OptionalGetElement OptionalHasElement',
    'SequenceAt SequenceConstruct SequenceInsert SequenceEmpty SplitToSequence ConcatFromSequence',
  ].join(' '),
)

/** Whether the operator has a float16 form at all. Foreign operators are not known to have one. */
export function hasFloat16({ opType, domain }: Node): boolean {
  return (domain === '' || domain === 'ai.onnx') && !float32Only.has(opType)
}

/** Operators that are worth two casts. All others compute so little that they follow what is around them. */
const heavy = set('Conv ConvTranspose Gemm MatMul Einsum LSTM GRU RNN DeformConv')

export const isHeavy = ({ opType }: Node) => heavy.has(opType)

/** Inputs that are float32 whatever the type of the others: Resize's roi may be either, its scales may not. */
export function staysFloat32({ opType }: Node, index: number): boolean {
  return opType === 'Resize' && (index === 1 || index === 2)
}
