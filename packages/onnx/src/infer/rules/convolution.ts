import { invalidNode, shapeText } from '../../evaluate/invalid-node.ts'
import type { PartialShape } from '../../graph/value-type.ts'
import { agreeing, mapDim, type PartialDim, productOf } from '../dims.ts'
import type { Rule, Rules, Site } from '../site.ts'
import { kernelOf, slidOver, windowOf } from './window.ts'

/** [N, M, ...] of an image [N, C, ...] and weights [M, C / group, ...]. */
function convolved(site: Site, image: number, weights: number): PartialShape | undefined {
  const { node } = site
  const [x, w] = [site.shapeFrom(image, 3), site.shapeFrom(weights, 3)]
  if (x && w && x.length !== w.length) throw invalidNode(node, `weights of ${x.length} axes`, shapeText(w))
  const kernel = kernelOf(site, w?.slice(2))
  if (x && w) agreeing(node, 'channels of image and weights', x[1], productOf([w[1], groupOf(site)]))
  if (!x || !kernel) return undefined
  return [x[0], w?.[0], ...slidOver(node, x.slice(2), kernel)]
}

function groupOf(site: Site): number {
  const group = site.node.int('group', 1)
  if (group >= 1) return group
  throw invalidNode(site.node, 'a group of at least 1', String(group))
}

const conv: Rule = (site) => [{ elementType: site.type(0), shape: convolved(site, 0, 1) }]

const convInteger: Rule = (site) => [{ elementType: 'int32', shape: convolved(site, 0, 1) }]

/** x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point */
const qLinearConv: Rule = (site) => [{ elementType: site.type(7), shape: convolved(site, 0, 3) }]

/** [N, M, ...] of an image [N, C, ...] and weights [C, M / group, ...]. */
const convTranspose: Rule = (site) => {
  const { node } = site
  const elementType = site.type(0)
  const [x, w] = [site.shapeFrom(0, 3), site.shapeFrom(1, 3)]
  if (x && w && x.length !== w.length) throw invalidNode(node, `weights of ${x.length} axes`, shapeText(w))
  if (x && w) agreeing(node, 'channels of image and weights', x[1], w[0])
  const kernel = kernelOf(site, w?.slice(2))
  if (!x || !kernel) return [{ elementType, shape: undefined }]
  const spatial = transposedSizes(site, x.slice(2), kernel)
  return [{ elementType, shape: [x[0], productOf([w?.[1], groupOf(site)]), ...spatial] }]
}

function transposedSizes(site: Site, sizes: PartialShape, kernel: PartialShape): PartialShape {
  const { node } = site
  const axes = sizes.length
  const { strides, dilations, pads, autoPad } = windowOf(node, axes)
  const given = node.ints('output_shape', [])
  // Some exporters write the batch and the channels as well.
  if (given.length > 0) return given.slice(-axes)
  const extra = node.ints('output_padding', new Array(axes).fill(0))
  return sizes.map((dim, axis): PartialDim => {
    const stride = strides[axis]!
    if (autoPad.startsWith('SAME')) return stride === 1 ? dim : mapDim(dim, (size) => size * stride)
    const size = kernel[axis]
    if (typeof size !== 'number') return undefined
    const padding = autoPad === 'VALID' ? 0 : pads[axis]! + pads[axis + axes]!
    const growth = (extra[axis] ?? 0) + dilations[axis]! * (size - 1) + 1 - padding - stride
    return stride === 1 && growth === 0 ? dim : mapDim(dim, (count) => count * stride + growth)
  })
}

export const convolution: Rules = {
  Conv: conv,
  ConvInteger: convInteger,
  QLinearConv: qLinearConv,
  ConvTranspose: convTranspose,
  DeformConv: conv,
}
