import type { DType } from '@lowlat/core'
import type { Node } from '@lowlat/onnx'
import { gather, gatherElements, gatherNd } from '../../kernels/gather.ts'
import type { View } from '../../program/view.ts'
import { canStore } from '../elementwise/storage.ts'
import type { Facts } from '../facts.ts'
import type { Lowering } from '../lowering.ts'
import { axisFrom, inputOf, outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'
import { sliceView } from '../views.ts'

const indexTypes: ReadonlySet<DType> = new Set<DType>(['int32', 'int64'])

export function whyNoIndices(node: Node, facts: Facts): string | undefined {
  const dtypes = [facts.dtype(inputOf(node)), facts.dtype(inputOf(node, 1))] as const
  if (!indexTypes.has(dtypes[1])) return `has no kernel for indices of ${dtypes[1]}`
  return canStore(dtypes[0]) ? undefined : `has no kernel for ${dtypes[0]}`
}

/** Where a kernel that moves elements unchanged may put them. */
export function placeFor(node: Node, dtype: DType, context: Lowering): View {
  return context.destinationFor(outputOf(node), { dtype, accepts: (view) => view.dtype === dtype })
}

const gatherRule: Rule = {
  supports: whyNoIndices,
  lower(node, context) {
    const { facts } = context
    const output = outputOf(node)
    const data = context.viewOf(inputOf(node))
    const axis = axisFrom(node.int('axis', 0), data.shape.length)
    const [index = Number.NaN, ...others] = facts.numbers(node.inputs[1]) ?? []
    const first = index < 0 ? index + data.shape[axis]! : index
    if (others.length === 0 && first >= 0 && first < data.shape[axis]!) {
      // One known index is a slice.
      const taken = sliceView(data, axis, first, 1)
      const rest = facts.shape(inputOf(node, 1)).map(() => 1)
      context.define(output, {
        ...taken,
        shape: taken.shape.toSpliced(axis, 1, ...rest),
        strides: taken.strides.toSpliced(axis, 1, ...rest),
      })
      return
    }
    const place = placeFor(node, data.dtype, context)
    context.emit(gather({ data, indices: context.viewOf(inputOf(node, 1)), output: place, axis }))
    context.define(output, place)
  },
}

const gatherElementsRule: Rule = {
  supports: whyNoIndices,
  lower(node, context) {
    const data = context.viewOf(inputOf(node))
    const axis = axisFrom(node.int('axis', 0), data.shape.length)
    const place = placeFor(node, data.dtype, context)
    context.emit(gatherElements({ data, indices: context.viewOf(inputOf(node, 1)), output: place, axis }))
    context.define(outputOf(node), place)
  },
}

/** Coordinates that kernels take per index. */
export const maxCoordinates = 4

const gatherNdRule: Rule = {
  supports(node, facts) {
    const coordinates = facts.shape(inputOf(node, 1)).at(-1)!
    return coordinates > maxCoordinates ? `has ${coordinates} coordinates per index` : whyNoIndices(node, facts)
  },
  lower(node, context) {
    const data = context.viewOf(inputOf(node))
    const place = placeFor(node, data.dtype, context)
    const indices = context.viewOf(inputOf(node, 1))
    context.emit(gatherNd({ data, indices, output: place, batchDims: node.int('batch_dims', 0) }))
    context.define(outputOf(node), place)
  },
}

export const gatherRules: Rules = {
  Gather: gatherRule,
  GatherElements: gatherElementsRule,
  GatherND: gatherNdRule,
}
