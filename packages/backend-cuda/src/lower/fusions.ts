import { layerFusions } from './layers/fusions.ts'
import type { Fusion } from './rule.ts'

/** In the order in which they claim nodes. */
export const fusions: readonly Fusion[] = [...layerFusions]
