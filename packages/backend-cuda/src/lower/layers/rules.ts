import type { Rule, Rules } from '../rule.ts'
import { bareLayer, layerRefusal } from './layer.ts'
import { lowerLayer } from './lower-layer.ts'

/** What no group has taken is computed alone, on floats. */
const layerRule: Rule = {
  supports: layerRefusal,
  lower: (node, context) => lowerLayer(bareLayer(node), context),
}

/** Convolutions and matrix products; groups around them stand in fusions. */
export const layerRules: Rules = { Conv: layerRule, ConvTranspose: layerRule, Gemm: layerRule, MatMul: layerRule }
