import type { Operation } from '../../kernels/elementwise-program.ts'
import { inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { constant, type Term } from './builder.ts'
import { byInput, computesFor, elementwiseRule, sameType, wrapped } from './element-rule.ts'

/** By the type of what is compared; the result is bool. */
function comparison(operation: Operation): Rule {
  return elementwiseRule(
    {
      computes: byInput(),
      build: (node, builder) =>
        builder.apply(operation, builder.operand(inputOf(node)), builder.operand(inputOf(node, 1))),
    },
    (node, facts) => {
      if (node.attributes.has('broadcast')) return 'broadcasts along an axis, as before opset 7'
      // Values are held as signed 64-bit integers.
      const isOrder = operation !== 'equal' && facts.dtype(inputOf(node)) === 'uint64'
      return isOrder ? 'has no kernel for uint64' : undefined
    },
  )
}

const where: Rule = elementwiseRule({
  computes: byInput(1),
  build(node, builder) {
    const terms = [0, 1, 2].map((index) => builder.operand(inputOf(node, index)))
    return builder.apply('where', ...terms)
  },
})

const infinite: Rule = elementwiseRule({
  computes: byInput(),
  build(node, builder) {
    const flag = (name: string): Term => constant(node.int(name, 1))
    return builder.apply('isInf', builder.operand(inputOf(node)), flag('detect_negative'), flag('detect_positive'))
  },
})

const bitShift: Rule = elementwiseRule(
  {
    computes: () => ['int64'],
    build(node, builder) {
      const operation = node.string('direction') === 'LEFT' ? 'shiftLeft' : 'shiftRight'
      const shifted = builder.apply(operation, builder.operand(inputOf(node)), builder.operand(inputOf(node, 1)))
      return wrapped(builder, shifted, builder.facts.dtype(outputOf(node)))
    },
  },
  (node, facts) => (facts.dtype(inputOf(node)) === 'uint64' ? 'has no kernel for uint64' : undefined),
)

const notNumber: Rule = elementwiseRule({
  computes: (node, facts) => computesFor(facts.dtype(inputOf(node))),
  build: (node, builder) => builder.apply('isNaN', builder.operand(inputOf(node))),
})

export const logicRules: Rules = {
  Equal: comparison('equal'),
  Less: comparison('less'),
  LessOrEqual: comparison('lessOrEqual'),
  Greater: comparison('greater'),
  GreaterOrEqual: comparison('greaterOrEqual'),
  And: comparison('and'),
  Or: comparison('or'),
  Xor: comparison('xor'),
  Not: sameType('not'),
  Where: where,
  IsNaN: notNumber,
  IsInf: infinite,
  BitwiseAnd: sameType('bitAnd'),
  BitwiseOr: sameType('bitOr'),
  BitwiseXor: sameType('bitXor'),
  BitwiseNot: sameType('bitNot', { overflows: true }),
  BitShift: bitShift,
}
