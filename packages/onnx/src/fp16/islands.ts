import { sizeOf } from '@lowlat/core'
import type { Node } from '../graph/node.ts'
import type { Value } from '../graph/value.ts'
import { isFloat32, readersOf, valuesOf } from './keep-float32.ts'
import { isHeavy } from './operators.ts'

/** Elements of a constant from which on half its size is worth a cast: tables of embeddings. */
const LARGE = 2 ** 16

/**
 * Groups of convertible nodes, connected by float values, without a heavy one, a large constant or a float16 input or output of
 * the model: everything around them is float32, so that casts on the way in and out would cost more than float16 saves.
 * @param halves the float16 inputs and outputs of the model.
 */
export function islandsOf(convertible: readonly Node[], halves: ReadonlySet<Value>): Node[] {
  const left = new Set(convertible)
  const islands: Node[] = []
  for (const start of convertible) {
    if (!left.delete(start)) continue
    const group = [start]
    let isWorthIt = false
    // Grows while it is walked over.
    for (const node of group) {
      isWorthIt ||= isHeavy(node) || valuesOf(node).some(isLarge)
      for (const value of valuesOf(node)) {
        if (!isFloat32(value) || value.initializer) continue
        isWorthIt ||= halves.has(value)
        for (const neighbour of [value.producer, ...readersOf(value)]) {
          if (neighbour && left.delete(neighbour)) group.push(neighbour)
        }
      }
    }
    if (!isWorthIt) islands.push(...group)
  }
  return islands
}

function isLarge(value: Value): boolean {
  return isFloat32(value) && value.initializer !== undefined && sizeOf(value.initializer.shape) >= LARGE
}
