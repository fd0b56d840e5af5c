import type { Rules } from '../rule.ts'

/** Convolutions, matrix products, quantized layers, attention. */
export const layerRules: Rules = {}
