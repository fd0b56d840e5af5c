import type { DType } from '@lowlat/core'
import type { Node } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
import { isHalfOrSingle } from '../floats.ts'
import { inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { constant, type ProgramBuilder, type Term } from './builder.ts'
import { computesFor, elementwiseRule, isFloat, wrapped } from './element-rule.ts'
import type { Elementwise } from './elementwise.ts'

/** What a value becomes that is held in float32 or int64 all along. */
function converted(builder: ProgramBuilder, term: Term, from: DType, to: DType): Term {
  if (to === from || from === 'bool') return term
  if (to === 'bool') return builder.apply('not', builder.apply('equal', term, constant(0)))
  if (!isFloat(to)) return isFloat(from) ? builder.apply('trunc', term) : wrapped(builder, term, to)
  const rounds = to === 'float16' && builder.facts.storageFor(to) === to && from !== 'float16'
  return rounds && builder.facts.precision === 'model' ? builder.apply('toFloat16', term) : term
}

const cast: Elementwise = {
  computes(node, facts, isInner) {
    const [from, to] = [facts.dtype(inputOf(node)), facts.dtype(outputOf(node))]
    const types = [...computesFor(from), ...computesFor(to)]
    if (types.includes('float64')) return ['float64']
    if (from === 'bool') return computesFor(to)
    // Floats become integers when they are stored; integers from memory are floats as soon as they are read.
    return !isFloat(from) && isFloat(to) && !isInner(inputOf(node)) ? ['float32', 'int64'] : computesFor(from)
  },
  build(node, builder) {
    const { facts } = builder
    const input = inputOf(node)
    return converted(builder, builder.operand(input), facts.dtype(input), facts.dtype(outputOf(node)))
  },
}

/** Kernels read and write float32 and float16 alike, so that a cast between them is left to its neighbours. */
function isLeft(node: Node, facts: Facts): boolean {
  return [inputOf(node), outputOf(node)].every((value) => isHalfOrSingle(facts.dtype(value)))
}

const element = elementwiseRule(cast)

const castRule: Rule = {
  ...element,
  arrangement: {
    inputIn: (node, _index, place, facts) => (isLeft(node, facts) ? place : undefined),
    outputOf: (node, input, facts) => {
      return isLeft(node, facts) ? { ...input, dtype: facts.storageOf(outputOf(node)) } : undefined
    },
  },
  lower(node, context) {
    if (isLeft(node, context.facts)) context.define(outputOf(node), context.viewOf(inputOf(node)))
    else element.lower(node, context)
  },
}

export const castRules: Rules = { Cast: castRule, CastLike: castRule }
