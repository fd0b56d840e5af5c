import type { Precision, Shape } from '@lowlat/core'
import type { ConstantStore, DeviceFacts } from '../program/constants.ts'

export interface LowerOptions {
  /** Shapes of all required inputs, by name. */
  readonly inputShapes: Readonly<Record<string, Shape>>
  readonly precision: Precision
  readonly device: DeviceFacts
  readonly constants: ConstantStore
  /** Whether what has no kernel runs on the host, or is refused with a list of it. */
  readonly hostFallback: 'run' | 'error'
  /** Whether matrix products of float32 may round their operands to TF32. */
  readonly tf32: boolean
}
