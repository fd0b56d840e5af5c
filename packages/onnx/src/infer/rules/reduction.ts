import { unknownShape } from '../dims.ts'
import { each, type Rule, type Rules, type Site } from '../site.ts'

/** A shape whose `axes` shrink to 1 or vanish; undefined axes are axes that nobody knows. */
function reduced(site: Site, axes: readonly number[] | undefined) {
  const shape = site.shape(0)
  const keeps = site.node.int('keepdims', 1) === 1
  if (!shape) return undefined
  if (!axes) return keeps ? unknownShape(shape.length) : undefined
  const gone = new Set(site.axes(axes, shape.length))
  return keeps ? shape.map((dim, axis) => (gone.has(axis) ? 1 : dim)) : shape.filter((_, axis) => !gone.has(axis))
}

const reduce: Rule = (site) => {
  const elementType = site.type(0)
  const shape = site.shape(0)
  if (!shape) return [{ elementType, shape }]
  const unknown = site.has(1, 'axes') && !site.integers(1, 'axes')
  const axes = site.integers(1, 'axes') ?? []
  if (!unknown && axes.length === 0) {
    if (site.node.int('noop_with_empty_axes', 0) !== 0) return [site.like(0)]
    return [{ elementType, shape: reduced(site, [...shape.keys()]) }]
  }
  return [{ elementType, shape: reduced(site, unknown ? undefined : axes) }]
}

const argReduce: Rule = (site) => [{ elementType: 'int64', shape: reduced(site, [site.node.int('axis', 0)]) }]

export const reduction: Rules = {
  ...each(
    'ReduceSum ReduceProd ReduceMin ReduceMax ReduceMean ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare',
    reduce,
  ),
  ...each('ArgMax ArgMin', argReduce),
}
