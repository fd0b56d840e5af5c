import type { Operation } from '../../kernels/elementwise-program.ts'
import { inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { constant, type Term } from './builder.ts'
import { byInput, each, elementwiseRule, isFloat, sameType, wrapped } from './element-rule.ts'

/** Values are held as signed 64-bit integers, in which the upper half of uint64 is negative. */
export const noUint64: Rule['supports'] = (node, facts) =>
  facts.dtype(inputOf(node)) === 'uint64' ? 'has no kernel for uint64' : undefined

/** Two inputs; before opset 7 the second one could be aligned to an axis of the first. */
function arithmetic(operation: Operation): Rule {
  return elementwiseRule(
    {
      computes: byInput(),
      build(node, builder) {
        const terms = [builder.operand(inputOf(node)), builder.operand(inputOf(node, 1))]
        return wrapped(builder, builder.apply(operation, ...terms), builder.facts.dtype(outputOf(node)))
      },
    },
    (node, facts) => {
      if (node.attributes.has('broadcast')) return 'broadcasts along an axis, as before opset 7'
      return operation === 'div' ? noUint64(node, facts) : undefined
    },
  )
}

/** Any number of inputs of one type, combined from the left. */
function variadic(operation: Operation, mean = false): Rule {
  return elementwiseRule(
    {
      computes: byInput(),
      build(node, builder) {
        const terms = node.inputs.map((_, index) => builder.operand(inputOf(node, index)))
        const total = terms.reduce((left, right) => builder.apply(operation, left, right))
        return mean ? builder.apply('div', total, constant(terms.length)) : total
      },
    },
    noUint64,
  )
}

/** A power of integers to a float is computed in float64, as ONNX Runtime does. */
const pow: Rule = elementwiseRule(
  {
    computes(node, facts) {
      const base = facts.dtype(inputOf(node))
      const exponent = facts.dtype(inputOf(node, 1))
      if (base === 'float64') return ['float64']
      if (isFloat(base)) return ['float32']
      return isFloat(exponent) ? ['float64'] : ['int64']
    },
    build(node, builder) {
      const [base, exponent] = [builder.operand(inputOf(node)), builder.operand(inputOf(node, 1))]
      const dtype = builder.facts.dtype(outputOf(node))
      if (isFloat(dtype) && exponent.kind === 'constant' && exponent.value === 2)
        return builder.apply('mul', base, base)
      const power = builder.apply('pow', base, exponent)
      // Stored toward zero.
      return isFloat(builder.facts.dtype(inputOf(node, 1))) ? power : wrapped(builder, power, dtype)
    },
  },
  noUint64,
)

const mod: Rule = elementwiseRule(
  {
    computes: byInput(),
    build(node, builder) {
      const operation = node.int('fmod', 0) === 1 ? 'fmod' : 'mod'
      return builder.apply(operation, builder.operand(inputOf(node)), builder.operand(inputOf(node, 1)))
    },
  },
  noUint64,
)

/** Sums of two products and the like keep ONNX's order: what is fused does not change a result. */
function unary(operation: Operation, integers: 'change' | 'keep'): Rule {
  return elementwiseRule({
    computes: byInput(),
    build(node, builder) {
      const dtype = builder.facts.dtype(inputOf(node))
      const term: Term = builder.operand(inputOf(node))
      if (isFloat(dtype)) return builder.apply(operation, term)
      return integers === 'keep' ? term : wrapped(builder, builder.apply(operation, term), dtype)
    },
  })
}

export const arithmeticRules: Rules = {
  Add: arithmetic('add'),
  Sub: arithmetic('sub'),
  Mul: arithmetic('mul'),
  Div: arithmetic('div'),
  Pow: pow,
  Mod: mod,
  Min: variadic('min'),
  Max: variadic('max'),
  Sum: variadic('add'),
  Mean: variadic('add', true),
  Neg: unary('neg', 'change'),
  Abs: unary('abs', 'change'),
  Sign: unary('sign', 'change'),
  ...each('Sqrt Reciprocal', (opType) => sameType(opType.toLowerCase() as Operation)),
  Floor: unary('floor', 'keep'),
  Ceil: unary('ceil', 'keep'),
  Round: unary('round', 'keep'),
}
