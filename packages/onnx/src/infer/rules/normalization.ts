import { dtypeFromOnnx } from '@lowlat/core'
import type { Rule, Rules, Site } from '../site.ts'

/** Y, and in training also means and variances per channel, in older operator sets twice. */
const batchNormalization: Rule = (site) => {
  const statistics = { elementType: site.type(3), shape: site.shape(3) }
  return [site.like(0), statistics, statistics, statistics, statistics]
}

/** Y, then mean and inverse deviation, of size 1 from `axis` on. */
const layerNormalization: Rule = (site) => {
  const shape = site.shape(0)
  const from = shape && site.axis(site.node.int('axis', -1), shape.length)
  const statistics = {
    elementType: dtypeFromOnnx(site.node.int('stash_type', 1)),
    shape: shape?.map((dim, axis) => (axis < from! ? dim : 1)),
  }
  return [site.like(0), statistics, statistics]
}

/** The losses per class are reduced to one number unless `reduction` is 'none'. */
function loss(site: Site) {
  const none = site.node.string('reduction', 'mean') === 'none'
  return { elementType: site.type(0), shape: none ? site.shape(1) : [] }
}

export const normalization: Rules = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  NegativeLogLikelihoodLoss: (site) => [loss(site)],
  SoftmaxCrossEntropyLoss: (site) => [loss(site), site.like(0)],
}
