import type { Fusion } from '../rule.ts'
import { canAttend, lowerAttention } from './attention.ts'
import { attentionOf } from './attention-match.ts'
import { layerOf } from './layer.ts'
import { lowerLayerNorm } from './layer-norm.ts'
import { layerNormOf } from './layer-norm-match.ts'
import { lowerLayer } from './lower-layer.ts'

const attention: Fusion = {
  name: 'attention',
  match(node, facts) {
    const match = attentionOf(node, facts)
    if (!match || !canAttend(match, facts)) return undefined
    const { nodes, output } = match
    return { operator: 'Attention', nodes, outputs: [output], lower: (context) => lowerAttention(match, context) }
  },
}

const layerNorm: Fusion = {
  name: 'layer-norm',
  match(node, facts) {
    const match = layerNormOf(node, facts)
    if (!match) return undefined
    const { nodes, output } = match
    return {
      operator: 'LayerNormalization',
      nodes,
      outputs: [output],
      lower: (context) => lowerLayerNorm(match, context),
    }
  },
}

const layers: Fusion = {
  name: 'layer',
  match(node, facts) {
    const layer = layerOf(node, facts)
    if (!layer || layer.nodes.length === 1) return undefined
    const { operator, nodes, tail } = layer
    return { operator, nodes, outputs: [tail.output], lower: (context) => lowerLayer(layer, context) }
  },
}

export const layerFusions: readonly Fusion[] = [attention, layerNorm, layers]
