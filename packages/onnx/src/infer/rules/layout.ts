/** Operators that give the same elements another shape or order. */

import { invalidNode, shapeText } from '../../evaluate/invalid-node.ts'
import { permutationOf } from '../../evaluate/layout.ts'
import type { PartialShape } from '../../graph/value-type.ts'
import { broadcast, maxRank, type PartialDim, productOf, unknownShape } from '../dims.ts'
import type { Rule, Rules, Site } from '../site.ts'

/**
 * The size that a Reshape leaves open: what is left of the input when every other size is divided out. Names that occur
 * on both sides cancel out.
 */
function restOf(from: PartialShape, others: PartialShape): PartialDim {
  const left = [...from]
  const divisors: PartialDim[] = []
  for (const dim of others) {
    const at = typeof dim === 'string' ? left.indexOf(dim) : -1
    if (at >= 0) left.splice(at, 1)
    else divisors.push(dim)
  }
  const divisor = productOf(divisors)
  const total = productOf(left)
  if (divisor === 1) return total
  if (typeof divisor !== 'number' || divisor === 0 || typeof total !== 'number') return undefined
  return total / divisor
}

/** The sizes that a tensor of sizes holds; only their number where it is not known. */
export function shapeFromInput(site: Site, index: number, attribute?: string): PartialShape | undefined {
  const values = site.values(index, attribute)
  if (!values) return site.has(index) ? unknownShape(site.count(index)) : undefined
  return values.length <= maxRank ? values : undefined
}

const reshape: Rule = (site) => {
  const elementType = site.type(0)
  const from = site.shape(0)
  const target = shapeFromInput(site, 1, 'shape')
  if (!target) return [{ elementType, shape: undefined }]
  const copies = site.node.int('allowzero', 0) === 0
  const shape = target.map((size, axis) => {
    if (size !== 0 || !copies) return size
    if (!from || axis < from.length) return from?.[axis]
    throw invalidNode(site.node, `a size for axis ${axis}, which the input ${shapeText(from)} lacks`, '0')
  })
  // A single size of which nothing is known is what is left as well: the number of elements does not change.
  const open = shape.flatMap((size, axis) => (size === -1 || (size === undefined && from) ? [axis] : []))
  const [at] = open
  if (open.length === 1) shape[at!] = from && restOf(from, shape.toSpliced(at!, 1))
  const total = from && productOf(from)
  const got = productOf(shape)
  const fits = typeof total !== 'number' || typeof got !== 'number' || total === got
  const single = shape.filter((size) => size === -1).length === 0
  if (!fits || !single) {
    throw invalidNode(site.node, `a shape for the elements of ${shapeText(from ?? [])}`, shapeText(target))
  }
  return [{ elementType, shape }]
}

const flatten: Rule = (site) => {
  const shape = site.shape(0)
  const axis = site.node.int('axis', 1)
  // Here an axis is a place between axes: the rank itself is one.
  const split = shape && (axis === shape.length ? axis : site.axis(axis, shape.length))
  const flat = shape ? [productOf(shape.slice(0, split)), productOf(shape.slice(split))] : unknownShape(2)
  return [{ elementType: site.type(0), shape: flat }]
}

const squeeze: Rule = (site) => {
  const elementType = site.type(0)
  const shape = site.shape(0)
  if (!shape) return [{ elementType, shape }]
  if (!site.has(1, 'axes')) {
    const known = shape.every((dim) => typeof dim === 'number')
    return [{ elementType, shape: known ? shape.filter((dim) => dim !== 1) : undefined }]
  }
  const given = site.integers(1, 'axes')
  if (!given) {
    const count = site.has(1) ? site.count(1) : undefined
    return [
      { elementType, shape: typeof count === 'number' ? unknownShape(Math.max(0, shape.length - count)) : undefined },
    ]
  }
  const axes = site.axes(given, shape.length)
  const bad = axes.find((axis) => typeof shape[axis] === 'number' && shape[axis] !== 1)
  if (bad !== undefined) throw invalidNode(site.node, `size 1 on axis ${bad}`, shapeText(shape))
  return [{ elementType, shape: shape.filter((_, axis) => !axes.includes(axis)) }]
}

const unsqueeze: Rule = (site) => {
  const elementType = site.type(0)
  const shape = site.shape(0)
  const axes = site.integers(1, 'axes')
  if (!shape || !axes) {
    const count = site.has(1) ? site.count(1) : undefined
    const rank = shape && typeof count === 'number' ? shape.length + count : undefined
    return [{ elementType, shape: unknownShape(rank) }]
  }
  const rank = shape.length + axes.length
  const added = new Set(site.axes(axes, rank))
  let next = 0
  return [{ elementType, shape: Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : shape[next++])) }]
}

const transpose: Rule = (site) => {
  const shape = site.shape(0)
  const perm = shape && permutationOf(site.node, shape.length)
  return [{ elementType: site.type(0), shape: perm?.map((axis) => shape![axis]) }]
}

const expand: Rule = (site) => [
  { elementType: site.type(0), shape: broadcast(site.node, site.shape(0), shapeFromInput(site, 1)) },
]

const tile: Rule = (site) => {
  const shape = site.shape(0)
  const repeats = shapeFromInput(site, 1)
  if (shape && repeats && shape.length !== repeats.length) {
    throw invalidNode(site.node, `${shape.length} repeats`, shapeText(repeats))
  }
  const tiled = shape?.map((dim, axis) => productOf([dim, repeats?.[axis]]))
  return [{ elementType: site.type(0), shape: tiled }]
}

/** [N, C, H, W] to blocks of `blocksize` and back. */
const blocks =
  (direction: 'toDepth' | 'toSpace'): Rule =>
  (site) => {
    const block = site.node.int('blocksize')
    const shape = site.shapeOf(0, 4)
    if (!(block > 0)) throw invalidNode(site.node, 'a blocksize above 0', String(block))
    const toSpace = direction === 'toSpace'
    const scaled = (dim: PartialDim, factor: number, up: boolean) => {
      if (up) return productOf([dim, factor])
      if (typeof dim !== 'number') return factor === 1 ? dim : undefined
      if (dim % factor === 0) return dim / factor
      throw invalidNode(site.node, `a size that ${factor} divides`, String(dim))
    }
    const [n, c, h, w] = shape ?? []
    const result = [n, scaled(c, block * block, !toSpace), scaled(h, block, toSpace), scaled(w, block, toSpace)]
    return [{ elementType: site.type(0), shape: result }]
  }

export const layout: Rules = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  DepthToSpace: blocks('toSpace'),
  SpaceToDepth: blocks('toDepth'),
}
