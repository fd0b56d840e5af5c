import type { ActivationParameters, QuantizedType } from '../sites.ts'

/** How real values are laid onto integers. */
export interface Scheme {
  readonly dtype: QuantizedType
  /** Zero in the middle (0 for int8, 128 for uint8), and as much room below as above. */
  readonly symmetric: boolean
}

/** What the integers cover; always contains 0, which must be exact: padding, rectifiers, sparsity. */
export interface Range {
  readonly min: number
  readonly max: number
}

/** The smallest normal float32: denormal scales cost time and precision. */
const SMALLEST_SCALE = 2 ** -126

/** Number of steps between the lowest and the highest integer: symmetric schemes leave the lowest one out. */
export const stepsOf = ({ symmetric }: Scheme): number => (symmetric ? 254 : 255)

/** The smallest range of the scheme that covers this one. */
export function coveringRange({ min, max }: Range, { symmetric }: Scheme): Range {
  if (!symmetric) return { min: Math.min(min, 0), max: Math.max(max, 0) }
  const most = Math.max(Math.abs(min), Math.abs(max))
  return { min: -most, max: most }
}

/** Scale and zero point under which the scheme's integers cover the range, with 0 exactly on one of them. */
export function parametersFor(range: Range, scheme: Scheme): ActivationParameters {
  const { min, max } = coveringRange(range, scheme)
  const { dtype, symmetric } = scheme
  // A value that is always zero: any scale is right.
  const scale = max === min ? 1 : Math.max(SMALLEST_SCALE, Math.fround((max - min) / stepsOf(scheme)))
  const lowest = dtype === 'uint8' ? 0 : -128
  const middle = lowest + 128
  return { dtype, scale, zeroPoint: symmetric ? middle : clamp(Math.round(lowest - min / scale), lowest, lowest + 255) }
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value))
