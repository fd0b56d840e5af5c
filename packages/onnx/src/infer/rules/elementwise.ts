import { broadcast } from '../dims.ts'
import { each, type Rule, type Rules, typed } from '../site.ts'

/** Output of the type of the first input. */
export const same: Rule = (site) => [site.like(0)]

const unary = `Abs Neg Sign Ceil Floor Round Sqrt Reciprocal Exp Log Erf Not BitwiseNot
  Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh
  Relu LeakyRelu Elu Celu Selu ThresholdedRelu HardSigmoid HardSwish Sigmoid Softplus Softsign Mish Gelu Swish
  Clip Shrink Identity PRelu Softmax LogSoftmax Hardmax CumSum Trilu ReverseSequence
  LRN MeanVarianceNormalization InstanceNormalization GroupNormalization LpNormalization RMSNormalization
  Scatter ScatterElements ScatterND`

/** Shapes of all inputs broadcast; before opset 7 the first one's shape was the result's. */
const broadcastInputs: Rule = (site) => {
  const elementType = site.type(0)
  if (site.opset < 7) return [{ elementType, shape: site.shape(0) }]
  return [{ elementType, shape: broadcast(site.node, ...site.inputs.map((_, index) => site.shape(index))) }]
}

const comparison: Rule = (site) => broadcastInputs(site).map((fact) => ({ ...fact!, elementType: 'bool' }))

const where: Rule = (site) => [
  { elementType: site.type(1) ?? site.type(2), shape: broadcast(site.node, ...[0, 1, 2].map((i) => site.shape(i))) },
]

const cast: Rule = (site) => [{ elementType: site.typeAttribute('to', undefined), shape: site.shape(0) }]

const castLike: Rule = (site) => [{ elementType: site.type(1), shape: site.shape(0) }]

/** The mask is bool since opset 10. */
const dropout: Rule = (site) => [
  site.like(0),
  { elementType: site.opset >= 10 ? 'bool' : site.type(0), shape: site.shape(0) },
]

export const elementwise: Rules = {
  ...each(unary, same),
  ...each('Add Sub Mul Div Pow Mod BitShift BitwiseAnd BitwiseOr BitwiseXor Sum Mean Min Max', broadcastInputs),
  ...each('Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor', comparison),
  ...each(
    'IsNaN IsInf',
    typed('bool', (site) => site.shape(0)),
  ),
  Where: where,
  Cast: cast,
  CastLike: castLike,
  Dropout: dropout,
}
