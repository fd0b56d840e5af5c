import { invalidNode } from '../../evaluate/invalid-node.ts'
import type { PartialShape } from '../../graph/value-type.ts'
import { unknownShape } from '../dims.ts'
import { each, type Rule, type Rules, type Site } from '../site.ts'
import { kernelOf, slidOver } from './window.ts'

/** [N, C, ...] with as many windows per spatial axis as fit. */
export function pooled(site: Site, shape: PartialShape | undefined): PartialShape | undefined {
  const kernel = kernelOf(site, undefined)
  if (!kernel) throw invalidNode(site.node, "the attribute 'kernel_shape'", 'none')
  return shape && [...shape.slice(0, 2), ...slidOver(site.node, shape.slice(2), kernel)]
}

const pool: Rule = (site) => [{ elementType: site.type(0), shape: pooled(site, site.shapeFrom(0, 3)) }]

const maxPool: Rule = (site) => {
  const [result] = pool(site)
  return [result, { elementType: 'int64', shape: result?.shape }]
}

export function globallyPooled(shape: PartialShape | undefined): PartialShape | undefined {
  return shape?.map((dim, axis) => (axis < 2 ? dim : 1))
}

const globalPool: Rule = (site) => [{ elementType: site.type(0), shape: globallyPooled(site.shapeFrom(0, 2)) }]

/** Where the indices came from cannot be told without the sizes that MaxPool saw, unless they are given. */
const maxUnpool: Rule = (site) => {
  const sizes = site.has(2) ? site.values(2) : undefined
  return [{ elementType: site.type(0), shape: sizes ?? unknownShape(site.shape(0)?.length) }]
}

/** Regions [R, 5] or [R, 4] of images [N, C, H, W] to [R, C, height, width]. */
const regions =
  (height: (site: Site) => number, width: (site: Site) => number): Rule =>
  (site) => {
    const [x, rois] = [site.shapeOf(0, 4), site.shapeOf(1, 2)]
    return [{ elementType: site.type(0), shape: [rois?.[0], x?.[1], height(site), width(site)] }]
  }

export const pooling: Rules = {
  MaxPool: maxPool,
  ...each('AveragePool LpPool', pool),
  ...each('GlobalAveragePool GlobalMaxPool GlobalLpPool', globalPool),
  MaxUnpool: maxUnpool,
  RoiAlign: regions(
    ({ node }) => node.int('output_height', 1),
    ({ node }) => node.int('output_width', 1),
  ),
  MaxRoiPool: regions(
    ({ node }) => node.ints('pooled_shape')[0] ?? 0,
    ({ node }) => node.ints('pooled_shape')[1] ?? 0,
  ),
}
