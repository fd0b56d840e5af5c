import type { Fusion } from '../rule.ts'
import { lowerConvolution } from './convolution.ts'
import { isConvolution, layerOf } from './layer.ts'
import { lowerProduct } from './product.ts'

const layers: Fusion = {
  name: 'layer',
  match(node, facts) {
    const layer = layerOf(node, facts)
    if (!layer || layer.nodes.length === 1) return undefined
    const { operator, nodes, tail } = layer
    const lower = isConvolution(node) ? lowerConvolution : lowerProduct
    return { operator, nodes, outputs: [tail.output], lower: (context) => lower(layer, context) }
  },
}

export const layerFusions: readonly Fusion[] = [layers]
