/** Operators that pick, join and pad elements. */
import { invalidNode, shapeText } from '../../evaluate/invalid-node.ts'
import { sliceRange, slicesOf } from '../../evaluate/slice-range.ts'
import { splitSizes } from '../../evaluate/split-sizes.ts'
import type { PartialShape } from '../../graph/value-type.ts'
import { agreeing, mapDim, type PartialDim, sumOf, unknownShape } from '../dims.ts'
import type { Rule, Rules, Site } from '../site.ts'

/** Shapes joined on an axis, which must agree on all others. */
export function joined(
  site: Site,
  shapes: readonly (PartialShape | undefined)[],
  axis: number,
): PartialShape | undefined {
  const known = shapes.filter((shape) => shape !== undefined)
  const [first] = known
  if (!first) return undefined
  const at = site.axis(axis, first.length)
  const odd = known.find((shape) => shape.length !== first.length)
  if (odd) throw invalidNode(site.node, 'shapes of one rank', `${shapeText(first)} and ${shapeText(odd)}`)
  return first.map((_, i) => {
    if (i === at) return sumOf(...shapes.map((shape) => shape?.[i]))
    return agreeing(site.node, `sizes of axis ${i}`, ...known.map((shape) => shape[i]))
  })
}

const concat: Rule = (site) => {
  const shapes = site.inputs.map((_, index) => site.shape(index))
  const elementType = site.inputs.find((fact) => fact?.elementType)?.elementType
  return [{ elementType, shape: joined(site, shapes, site.node.int('axis', 1)) }]
}

const split: Rule = (site) => {
  const elementType = site.type(0)
  const shape = site.shape(0)
  const { outputs } = site.node
  if (!shape) return outputs.map(() => ({ elementType, shape }))
  const axis = site.axis(site.node.int('axis', 0), shape.length)
  const size = shape[axis]
  const given = site.integers(1, 'split')
  const sizes = partsOf(site, size, given)
  return outputs.map((_, index) => ({ elementType, shape: shape.with(axis, sizes?.[index]) }))
}

function partsOf(site: Site, size: PartialDim, given: readonly number[] | undefined): PartialShape | undefined {
  if (site.has(1, 'split') && !given) return undefined
  if (typeof size === 'number') return splitSizes(site.node, given, size)
  if (given)
    return splitSizes(
      site.node,
      given,
      given.reduce((sum, part) => sum + part, 0),
    )
  return site.node.outputs.length === 1 ? [size] : undefined
}

/** What a slice leaves of a size that is not a number: all of it, or nobody knows. */
function slicedDim(dim: PartialDim, start: PartialDim, end: PartialDim, step: number): PartialDim {
  if (typeof dim === 'number') {
    return typeof start === 'number' && typeof end === 'number' ? sliceRange(dim, start, end, step).count : undefined
  }
  const beyond = 2 ** 31 - 1 // what exporters write for "to the end"
  const whole =
    step === 1 && start === 0 && ((typeof end === 'number' && end >= beyond) || (end !== undefined && end === dim))
  const reversed =
    step === -1 && (start === -1 || (typeof start === 'number' && start >= beyond)) && isBelow(end, -beyond)
  return whole || reversed ? dim : undefined
}

const isBelow = (dim: PartialDim, limit: number) => typeof dim === 'number' && dim <= limit

const slice: Rule = (site) => {
  const elementType = site.type(0)
  const shape = site.shape(0)
  if (!shape) return [{ elementType, shape }]
  const [starts, ends] = [site.values(1, 'starts'), site.values(2, 'ends')]
  const [axes, steps] = [site.integers(3, 'axes'), site.integers(4, 'steps')]
  if ((site.has(3, 'axes') && !axes) || (!axes && !starts && !ends))
    return [{ elementType, shape: unknownShape(shape.length) }]
  const count = (axes ?? starts ?? ends)!.length
  const open = new Array<PartialDim>(count).fill(undefined)
  const knownSteps = !site.has(4, 'steps') || steps !== undefined
  const sliced = [...shape]
  for (const { axis, start, end, step } of slicesOf(
    site.node,
    shape.length,
    starts ?? open,
    ends ?? open,
    axes,
    steps,
  )) {
    sliced[axis] = knownSteps ? slicedDim(shape[axis], start, end, step) : undefined
  }
  return [{ elementType, shape: sliced }]
}

const gather: Rule = (site) => {
  const elementType = site.type(0)
  const [data, indices] = [site.shape(0), site.shape(1)]
  const axis = data && site.axis(site.node.int('axis', 0), data.length)
  if (!data || !indices || axis === undefined) return [{ elementType, shape: undefined }]
  return [{ elementType, shape: [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)] }]
}

const gatherElements: Rule = (site) => [{ elementType: site.type(0), shape: site.shape(1) }]

const gatherND: Rule = (site) => {
  const elementType = site.type(0)
  const [data, indices] = [site.shapeFrom(0, 1), site.shapeFrom(1, 1)]
  const depth = indices?.at(-1)
  if (!data || !indices || typeof depth !== 'number') return [{ elementType, shape: undefined }]
  const batch = site.node.int('batch_dims', 0)
  const first = batch + depth
  if (!(batch >= 0 && first <= data.length)) {
    throw invalidNode(site.node, `indices into ${data.length} axes`, `${batch} batch axes and ${depth} indices`)
  }
  return [{ elementType, shape: [...indices.slice(0, -1), ...data.slice(first)] }]
}

/** A list of unknown length, or a shape of which one axis has another length. */
function withLength(site: Site, length: PartialDim): PartialShape | undefined {
  const shape = site.shape(0)
  if (!site.node.attributes.has('axis')) return [length]
  return shape?.with(site.axis(site.node.int('axis'), shape.length), length)
}

/** How many elements remain depends on the condition. */
const compress: Rule = (site) => {
  const kept = site.integers(1)?.filter((keep) => keep !== 0).length
  return [{ elementType: site.type(0), shape: withLength(site, kept) }]
}

/** How many elements differ depends on the data. */
const unique: Rule = (site) => {
  const list = { elementType: 'int64', shape: [undefined] } as const
  return [{ elementType: site.type(0), shape: withLength(site, undefined) }, list, list, list]
}

const nonZero: Rule = (site) => [{ elementType: 'int64', shape: [site.shape(0)?.length, undefined] }]

const topK: Rule = (site) => {
  const shape = site.shape(0)
  const k = site.has(1) ? site.values(1) : [site.node.int('k')]
  const kept = shape?.with(site.axis(site.node.int('axis', -1), shape.length), k?.[0])
  return [
    { elementType: site.type(0), shape: kept },
    { elementType: 'int64', shape: kept },
  ]
}

/** The depth may be of any numeric type. */
const oneHot: Rule = (site) => {
  const depth = site.values(1)?.[0] ?? mapDim(site.floats(1)?.[0], Math.trunc)
  const indices = site.shape(0)
  const axis = indices && site.axis(site.node.int('axis', -1), indices.length + 1)
  return [
    {
      elementType: site.type(2),
      shape: axis === undefined ? undefined : indices!.toSpliced(axis, 0, depth),
    },
  ]
}

const pad: Rule = (site) => {
  const elementType = site.type(0)
  const shape = site.shape(0)
  if (!shape) return [{ elementType, shape }]
  const pads = site.values(1, site.node.attributes.has('paddings') ? 'paddings' : 'pads')
  const given = site.has(3) ? site.integers(3) : [...shape.keys()]
  if (!pads || !given) return [{ elementType, shape: unknownShape(shape.length) }]
  const axes = site.axes(given, shape.length)
  if (pads.length !== 2 * axes.length) throw invalidNode(site.node, `${2 * axes.length} pads`, shapeText(pads))
  const padded = [...shape]
  for (const [index, axis] of axes.entries()) {
    padded[axis] = sumOf(shape[axis], pads[index], pads[index + axes.length])
  }
  return [{ elementType, shape: padded }]
}

export const selection: Rules = {
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  Compress: compress,
  Unique: unique,
  NonZero: nonZero,
  TopK: topK,
  OneHot: oneHot,
  Pad: pad,
}
