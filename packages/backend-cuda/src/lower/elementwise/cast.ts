import type { DType } from '@lowlat/core'
import type { Node } from '@lowlat/onnx'
import type { Facts } from '../facts.ts'
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

/** Floats of the same storage need no kernel. */
function isAlias(node: Node, facts: Facts): boolean {
  const [from, to] = [facts.dtype(inputOf(node)), facts.dtype(outputOf(node))]
  return isFloat(from) && isFloat(to) && facts.storageFor(from) === facts.storageFor(to)
}

const element = elementwiseRule(cast)

const castRule: Rule = {
  ...element,
  lower(node, context) {
    const view = context.viewOf(inputOf(node))
    if (isAlias(node, context.facts)) context.define(outputOf(node), view)
    else element.lower(node, context)
  },
}

export const castRules: Rules = { Cast: castRule, CastLike: castRule }
