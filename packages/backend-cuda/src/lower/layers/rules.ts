import type { Rule, Rules } from '../rule.ts'
import { lowerConvolution } from './convolution.ts'
import { bareLayer, isConvolution, layerRefusal } from './layer.ts'
import { lowerProduct } from './product.ts'

/** What no group has taken is computed alone, on floats. */
const layerRule: Rule = {
  supports: layerRefusal,
  lower(node, context) {
    const layer = bareLayer(node)
    if (isConvolution(node)) lowerConvolution(layer, context)
    else lowerProduct(layer, context)
  },
}

/** Convolutions, matrix products, quantized layers, attention. */
export const layerRules: Rules = { Conv: layerRule, Gemm: layerRule, MatMul: layerRule }
