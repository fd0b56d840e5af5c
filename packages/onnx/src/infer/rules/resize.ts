import { invalidNode, shapeText } from '../../evaluate/invalid-node.ts'
import type { PartialShape } from '../../graph/value-type.ts'
import { type PartialDim, unknownShape } from '../dims.ts'
import type { Rule, Rules, Site } from '../site.ts'

/** floor(size * scale), in float32 as runtimes compute it. */
function scaled(dim: PartialDim, scale: number): PartialDim {
  if (scale === 1) return dim
  return typeof dim === 'number' ? Math.floor(Math.fround(dim * Math.fround(scale))) : undefined
}

function scaledShape(site: Site, scales: readonly number[] | undefined): PartialShape | undefined {
  const shape = site.shape(0)
  if (!shape || !scales) return unknownShape(shape?.length)
  if (scales.length === shape.length && scales.every((scale) => scale > 0)) {
    return shape.map((dim, axis) => scaled(dim, scales[axis]!))
  }
  throw invalidNode(site.node, `${shape.length} scales above 0`, shapeText(scales))
}

/** X, roi, scales, sizes; in opset 10 X, scales. Either scales or sizes are given, for `axes` if not for all. */
const resize: Rule = (site) => {
  const { node } = site
  const elementType = site.type(0)
  const shape = site.shape(0)
  if (site.opset < 11) return [{ elementType, shape: scaledShape(site, site.floats(1)) }]
  if (!shape) return [{ elementType, shape }]
  const axes = site.axes(node.ints('axes', [...shape.keys()]), shape.length)
  const crops = node.string('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize'
  const bySize = site.has(3) && site.inputs[3]!.shape?.[0] !== 0
  const result = [...shape]
  const sizes = bySize ? site.values(3) : undefined
  const scales = bySize ? undefined : site.floats(2)
  const given = sizes ?? scales
  // A crop's scales apply to the region, which is data.
  if (!given || (crops && !bySize)) {
    for (const axis of axes) result[axis] = undefined
    return [{ elementType, shape: result }]
  }
  if (given.length !== axes.length) throw invalidNode(node, `${axes.length} sizes or scales`, shapeText(given))
  const targets = sizes
    ? fitted(
        site,
        axes.map((axis) => shape[axis]),
        sizes,
      )
    : undefined
  for (const [index, axis] of axes.entries()) {
    result[axis] = targets ? targets[index] : scaled(shape[axis], scales![index]!)
  }
  return [{ elementType, shape: result }]
}

/** Sizes after the policy: as given, or with one scale for all axes, so that the image keeps its proportions. */
function fitted(site: Site, from: PartialShape, sizes: PartialShape): PartialShape {
  const policy = site.node.string('keep_aspect_ratio_policy', 'stretch')
  if (policy === 'stretch') return sizes
  const known = [...from, ...sizes].every((dim) => typeof dim === 'number')
  if (!known) return unknownShape(from.length)!
  const scales = sizes.map((size, index) => Number(size) / Number(from[index]))
  const scale = policy === 'not_larger' ? Math.min(...scales) : Math.max(...scales)
  return from.map((dim) => Math.round(Number(dim) * scale))
}

/** X and scales, which were an attribute before opset 9. */
const upsample: Rule = (site) => [{ elementType: site.type(0), shape: scaledShape(site, site.floats(1, 'scales')) }]

export const resizing: Rules = { Resize: resize, Upsample: upsample }
