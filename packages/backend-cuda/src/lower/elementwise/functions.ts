import type { Operation } from '../../kernels/elementwise-program.ts'
import { inputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { noUint64 } from './arithmetic.ts'
import { constant } from './builder.ts'
import { byInput, each, elementwiseRule, floatFunction, sameType } from './element-rule.ts'

const gelu: Rule = elementwiseRule({
  computes: byInput(),
  build(node, builder) {
    const approximate = node.string('approximate', 'none') === 'tanh'
    return builder.apply(approximate ? 'geluTanh' : 'gelu', builder.operand(inputOf(node)))
  },
})

/** GELU of the sum with a bias. */
function biasedGelu(operation: Operation): Rule {
  return elementwiseRule({
    computes: byInput(),
    build(node, builder) {
      const terms = node.inputs.flatMap((input) => (input ? builder.operand(input) : []))
      return builder.apply(
        operation,
        terms.reduce((left, right) => builder.apply('add', left, right)),
      )
    },
  })
}

/** Bounds are inputs since opset 11. */
const clip: Rule = elementwiseRule(
  {
    computes: byInput(),
    build(node, builder) {
      const bound = (index: number, name: string) => {
        const value = node.inputs[index]
        if (value) return builder.operand(value)
        return node.attributes.has(name) ? constant(node.float(name)) : undefined
      }
      const [low, high] = [bound(1, 'min'), bound(2, 'max')]
      const x = builder.operand(inputOf(node))
      const isOrdered = low?.kind === 'constant' && high?.kind === 'constant' && low.value <= high.value
      if (isOrdered) return builder.apply('clip', x, low, high)
      // The upper bound wins where they cross.
      const raised = low ? builder.apply('max', x, low) : x
      return high ? builder.apply('min', raised, high) : raised
    },
  },
  noUint64,
)

export const functionRules: Rules = {
  Relu: sameType('relu'),
  ...each('Exp Log Erf Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh', (opType) => {
    return floatFunction(opType.toLowerCase() as Operation)
  }),
  ...each('Sigmoid Tanh Softplus Softsign Mish', (opType) => floatFunction(opType.toLowerCase() as Operation)),
  LeakyRelu: floatFunction('leakyRelu', [['alpha', 0.01]]),
  PRelu: sameType('leakyRelu'),
  Elu: floatFunction('elu', [['alpha', 1]]),
  Celu: floatFunction('celu', [['alpha', 1]]),
  Selu: floatFunction('selu', [
    ['alpha', 1.6732632],
    ['gamma', 1.050701],
  ]),
  ThresholdedRelu: floatFunction('thresholdedRelu', [['alpha', 1]]),
  Shrink: floatFunction('shrink', [
    ['lambd', 0.5],
    ['bias', 0],
  ]),
  HardSigmoid: floatFunction('hardSigmoid', [
    ['alpha', 0.2],
    ['beta', 0.5],
  ]),
  HardSwish: elementwiseRule({
    computes: byInput(),
    build: (node, builder) => {
      return builder.apply('hardSwish', builder.operand(inputOf(node)), constant(1 / 6), constant(0.5))
    },
  }),
  Swish: floatFunction('swish', [['alpha', 1]]),
  Clip: clip,
  Gelu: gelu,
  'com.microsoft:Gelu': biasedGelu('gelu'),
  'com.microsoft:BiasGelu': biasedGelu('gelu'),
  'com.microsoft:FastGelu': biasedGelu('geluTanh'),
  'com.microsoft:QuickGelu': floatFunction('swish', [['alpha', 1.702]]),
}
