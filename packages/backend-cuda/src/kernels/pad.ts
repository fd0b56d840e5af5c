import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'

/** Any dtype, any strides, at most 6 axes after neighbours without padding are joined. */
export interface PadArgs {
  readonly input: View
  /** Its shape says how much comes after. */
  readonly output: View
  /** Per axis; negative ones remove elements. */
  readonly padsBefore: readonly number[]
  readonly mode: 'constant' | 'reflect' | 'edge' | 'wrap'
  /** What padding is set to, with 'constant'; 0 if absent. */
  readonly value?: number
}

export declare function pad(args: PadArgs): Launch
