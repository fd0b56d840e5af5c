import { type DType, dtypes } from '@lowlat/core'
import type { Compute } from '../../kernels/elementwise.ts'
import type { Operation } from '../../kernels/elementwise-program.ts'
import { inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import type { ProgramBuilder, Term } from './builder.ts'
import type { Elementwise } from './elementwise.ts'
import { fitsOneKernel, lowerChain } from './lower-chain.ts'

export const isFloat = (dtype: DType): boolean => dtypes[dtype].kind === 'float'

/** What a dtype's values are computed in. Truth values fit anywhere. */
export function computesFor(dtype: DType): readonly Compute[] {
  if (dtype === 'float64') return ['float64']
  if (isFloat(dtype)) return ['float32']
  return dtype === 'bool' ? ['float32', 'int64'] : ['int64']
}

/** By the type of an input. */
export const byInput =
  (index = 0): Elementwise['computes'] =>
  (node, facts) =>
    computesFor(facts.dtype(inputOf(node, index)))

/** A rule of an element-wise operator. @param why says more about what it cannot. */
export function elementwiseRule(elementwise: Elementwise, why?: Rule['supports']): Rule {
  return {
    elementwise,
    supports(node, facts) {
      const reason = why?.(node, facts)
      if (reason !== undefined) return reason
      return fitsOneKernel([{ node, elementwise }], facts) ? undefined : 'has too many inputs'
    },
    lower: (node, context) => lowerChain([{ node, elementwise }], context),
  }
}

/** Wraps what overflows a narrow integer type. */
export function wrapped(builder: ProgramBuilder, term: Term, dtype: DType): Term {
  const operation = wraps[dtype]
  return operation ? builder.apply(operation, term) : term
}

const wraps: Readonly<Partial<Record<DType, Operation>>> = {
  int8: 'toInt8',
  uint8: 'toUint8',
  int16: 'toInt16',
  uint16: 'toUint16',
  int32: 'toInt32',
  uint32: 'toUint32',
}

/** An operator that is one instruction on its inputs, all of the type of the first one. */
export function sameType(operation: Operation, options: { readonly overflows?: boolean } = {}): Rule {
  return elementwiseRule({
    computes: byInput(),
    build(node, builder) {
      const terms = node.inputs.map((_, index) => builder.operand(inputOf(node, index)))
      const result = builder.apply(operation, ...terms)
      return options.overflows ? wrapped(builder, result, builder.facts.dtype(outputOf(node))) : result
    },
  })
}

/** An operator on floats with parameters from attributes, each with a default. */
export function floatFunction(operation: Operation, parameters: readonly (readonly [string, number])[] = []): Rule {
  return elementwiseRule({
    computes: byInput(),
    build(node, builder) {
      const constants = parameters.map(([name, fallback]): Term => {
        return { kind: 'constant', value: node.float(name, fallback) }
      })
      return builder.apply(operation, builder.operand(inputOf(node)), ...constants)
    },
  })
}

/** The same rule for several operators. */
export function each(opTypes: string, rule: (opType: string) => Rule): Rules {
  return Object.fromEntries(opTypes.split(' ').map((opType) => [opType, rule(opType)]))
}
