import { fill } from '../../kernels/fill.ts'
import { canStore } from '../elementwise/storage.ts'
import { outputOf } from '../nodes.ts'
import type { Rule, Rules } from '../rule.ts'

/** Small ones are constants already; this is for large ones of a known shape. */
const constantOfShape: Rule = {
  supports(node, facts) {
    const dtype = facts.dtype(outputOf(node))
    return canStore(dtype) ? undefined : `has no kernel for ${dtype}`
  },
  lower(node, context) {
    const output = outputOf(node)
    const value = node.attributes.has('value') ? node.tensor('value').tensor : undefined
    const place = context.destinationFor(output, { accepts: ({ dtype }) => canStore(dtype) })
    const number = !value ? 0 : value.dtype === 'float16' ? value.toFloat32()[0]! : Number(value.data[0])
    context.emit(fill(place, number))
    context.define(output, place)
  },
}

export const constantOfShapeRules: Rules = { ConstantOfShape: constantOfShape }
