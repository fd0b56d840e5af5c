import type { Fusion } from '../rule.ts'

export const layerFusions: readonly Fusion[] = []
