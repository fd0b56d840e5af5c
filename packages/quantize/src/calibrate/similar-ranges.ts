import { percentile } from './calibrators.ts'
import type { Scheme } from './scheme.ts'
import type { CalibrationTable } from './table.ts'

/** Half a bit: what the narrower range loses in resolution under the scale of the wider one. */
const LEAST_SHARE = Math.SQRT1_2

/**
 * Whether a value uses so much of another one's range that it may share its scale.
 * @returns a function of both names; false where the table knows one of them not.
 */
export function similarRanges(table: CalibrationTable, scheme: Scheme): (value: string, wider: string) => boolean {
  const calibrate = percentile()
  const widthOf = (name: string) => {
    const { min, max } = calibrate(table.histogramOf([name]), scheme)
    return max - min
  }
  return (value, wider) =>
    [value, wider].every((name) => table.histograms.has(name)) && widthOf(value) >= LEAST_SHARE * widthOf(wider)
}
