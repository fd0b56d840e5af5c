import type { Node, Value } from '@lowlat/onnx'
import type { View } from '../../program/view.ts'
import type { Facts } from '../facts.ts'
import { axisFrom, inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { reshapeView } from '../views.ts'
import { constant, type ProgramBuilder, type Term } from './builder.ts'
import { elementwiseRule } from './element-rule.ts'

/** A scale or zero point of the whole tensor, or of each index of an axis. */
function parameter(node: Node, value: Value, builder: ProgramBuilder): Term {
  const { facts } = builder
  const [count] = facts.shape(value)
  if (count === undefined || count === 1) return builder.arranged(value, toScalar)
  const rank = facts.shape(inputOf(node)).length
  const axis = axisFrom(node.int('axis', 1), rank)
  const shape = Array.from({ length: rank }, (_, index) => (index === axis ? count : 1))
  // The shape is part of what is read: one function per shape keeps equal reads together.
  return builder.arranged(value, (view: View) => reshapeView(view, shape)!)
}

const toScalar = (view: View): View => reshapeView(view, [])!

function whyNot(node: Node, facts: Facts): string | undefined {
  const scale = facts.shape(inputOf(node, 1))
  if (scale.length > 1) return 'has scales per block'
  if (scale.length === 1 && scale[0] !== 1 && facts.shape(inputOf(node)).length === 0) return 'scales a scalar per axis'
  return undefined
}

function zeroPoint(node: Node, builder: ProgramBuilder): Term {
  const value = node.inputs[2]
  return value ? parameter(node, value, builder) : constant(0)
}

/** In float32: saturate(rint(x / scale) + zero point), half to even. */
const quantize: Rule = elementwiseRule(
  {
    computes: () => ['float32'],
    build(node, builder) {
      const operation = builder.facts.dtype(outputOf(node)) === 'int8' ? 'quantizeInt8' : 'quantizeUint8'
      const scale = parameter(node, inputOf(node, 1), builder)
      return builder.apply(operation, builder.operand(inputOf(node)), scale, zeroPoint(node, builder))
    },
  },
  (node, facts) => {
    const dtype = facts.dtype(outputOf(node))
    if (dtype !== 'int8' && dtype !== 'uint8') return `has no kernel for ${dtype}`
    if (facts.dtype(inputOf(node)) === 'float64') return 'has no kernel for float64'
    return whyNot(node, facts)
  },
)

const dequantize: Rule = elementwiseRule(
  {
    computes: () => ['float32'],
    build(node, builder) {
      const scale = parameter(node, inputOf(node, 1), builder)
      return builder.apply('dequantize', builder.operand(inputOf(node)), scale, zeroPoint(node, builder))
    },
  },
  whyNot,
)

export const quantizeRules: Rules = { QuantizeLinear: quantize, DequantizeLinear: dequantize }
