import type { Dim } from '@lowlat/core'
import { invalidNode, shapeText } from '../evaluate/invalid-node.ts'
import type { Node } from '../graph/node.ts'
import type { PartialShape } from '../graph/value-type.ts'

/** A size: a number, the name of an open one, or undefined where nothing is known. Names stand for sizes of 0 or more. */
export type PartialDim = Dim | undefined

/** Shapes with more axes are treated as unknown, as numpy refuses them: some operators double the rank of their input. */
export const maxRank = 64

/** A shape of which only the rank is known; undefined where that is not known or absurd. */
export function unknownShape(rank: PartialDim): PartialShape | undefined {
  return typeof rank === 'number' && rank <= maxRank ? new Array<PartialDim>(rank).fill(undefined) : undefined
}

export function sumOf(...dims: readonly PartialDim[]): PartialDim {
  const terms = dims.filter((dim) => dim !== 0)
  if (terms.length === 1) return terms[0]
  return terms.every((dim) => typeof dim === 'number') ? terms.reduce((sum, dim) => sum + dim, 0) : undefined
}

export function productOf(dims: readonly PartialDim[]): PartialDim {
  if (dims.includes(0)) return 0
  const factors = dims.filter((dim) => dim !== 1)
  if (factors.length === 1) return factors[0]
  return factors.every((dim) => typeof dim === 'number')
    ? factors.reduce((product, dim) => product * dim, 1)
    : undefined
}

/** Applies arithmetic to a size that is a number; names have none. */
export function mapDim(dim: PartialDim, apply: (size: number) => number): PartialDim {
  return typeof dim === 'number' ? apply(dim) : undefined
}

/** What is known of a size that several shapes must agree in. @throws ModelError MODEL_INVALID where they do not. */
export function agreeing(node: Node, what: string, ...dims: readonly PartialDim[]): PartialDim {
  const sizes = new Set(dims.filter((dim) => typeof dim === 'number'))
  if (sizes.size > 1) throw invalidNode(node, `${what} to agree`, [...sizes].join(' and '))
  const [size] = sizes
  return size ?? dims.find((dim) => dim !== undefined)
}

const conflict = Symbol('conflict')

/** Numpy's broadcasting of one axis. A number other than 1 decides, whatever the other sizes turn out to be. */
function broadcastDim(dims: readonly PartialDim[]): PartialDim | typeof conflict {
  const sizes = new Set(dims.filter((dim) => dim !== 1))
  const numbers = [...sizes].filter((dim) => typeof dim === 'number')
  if (numbers.length > 1) return conflict
  if (numbers.length === 1) return numbers[0]
  if (sizes.size > 1) return undefined
  return sizes.size === 0 ? 1 : [...sizes][0]
}

/**
 * The shape that shapes broadcast to, as numpy does; undefined where one's rank is not known.
 * @throws ModelError MODEL_INVALID where they do not fit.
 */
export function broadcast(node: Node, ...shapes: readonly (PartialShape | undefined)[]): PartialShape | undefined {
  if (!shapes.every((shape) => shape !== undefined)) return undefined
  const rank = Math.max(0, ...shapes.map((shape) => shape.length))
  return Array.from({ length: rank }, (_, axis) => {
    const dims = shapes.filter((shape) => axis >= rank - shape.length).map((shape) => shape[axis - rank + shape.length])
    const dim = broadcastDim(dims)
    if (dim === conflict) throw invalidNode(node, 'shapes that broadcast', shapes.map(shapeText).join(' and '))
    return dim
  })
}

/** What holds in both of two cases: differing sizes and ranks become unknown. */
export function commonShape(a: PartialShape | undefined, b: PartialShape | undefined): PartialShape | undefined {
  if (!a || !b || a.length !== b.length) return undefined
  return a.map((dim, axis) => (dim === b[axis] ? dim : undefined))
}
