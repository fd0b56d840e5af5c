import type { Node } from '../graph/node.ts'
import { invalidNode, shapeText } from './invalid-node.ts'

/**
 * Sizes of the parts of a Split of `size`: those given, else equal ones, of which the last may be smaller.
 * @throws ModelError MODEL_INVALID where they do not add up.
 */
export function splitSizes(node: Node, given: readonly number[] | undefined, size: number): readonly number[] {
  const count = node.outputs.length
  if (given) {
    const sum = given.reduce((total, part) => total + part, 0)
    if (given.length === count && sum === size && given.every((part) => part >= 0)) return given
    throw invalidNode(node, `${count} sizes that add up to ${size}`, shapeText(given))
  }
  const part = Math.ceil(size / count)
  const last = size - part * (count - 1)
  const uneven = node.attributes.has('num_outputs') // since opset 18
  if (last >= 0 && (last === part || uneven))
    return Array.from({ length: count }, (_, i) => (i < count - 1 ? part : last))
  throw invalidNode(node, `an axis that divides into ${count} parts`, `size ${size}`)
}
