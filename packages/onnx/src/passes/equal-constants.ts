import { createHash } from 'node:crypto'
import type { Initializer } from '../graph/initializer.ts'

/** Initializers are immutable, so that each is hashed once, however often passes run. */
const keys = new WeakMap<Initializer, string>()

/**
 * Equal for constants of equal type, shape and content, and for no others. Undefined for what cannot be read: types that
 * this version does not know, and data in other files. @throws ModelError MODEL_INVALID for data that do not fit the shape.
 */
export function contentKey(constant: Initializer): string | undefined {
  const { elementType, shape } = constant
  if (elementType === undefined || constant.isExternal) return undefined
  const known = keys.get(constant)
  if (known) return known
  const content = elementType === 'string' ? JSON.stringify(constant.strings) : constant.tensor.bytes
  const key = `${elementType}[${shape.join()}]${createHash('sha256').update(content).digest('base64')}`
  keys.set(constant, key)
  return key
}
