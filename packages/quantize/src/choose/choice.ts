import { type Calibrator, entropy, minMax, mse, percentile } from '../calibrate/calibrators.ts'
import type { WeightMethod } from '../weights/channel-scale.ts'

export const calibrators = {
  minmax: minMax,
  percentile: percentile(99.99),
  mse,
  entropy,
} as const satisfies Record<string, Calibrator>

export type CalibrationMethod = keyof typeof calibrators

/** How the parameters of a model were chosen. */
export interface Choice {
  readonly method: CalibrationMethod
  readonly weights: WeightMethod
  /** Whether the channels that depthwise convolutions read were scaled to fill one range. */
  readonly equalized: boolean
  /** Whether activations of a target without zero points got one, folded into biases. */
  readonly foldedZeroPoints: boolean
  readonly rounding: 'nearest' | 'reconstruction'
  /**
   * As the model has them; corrected by what rounding the weights shifts in the mean of their layer; or by what rounding
   * and clipping the inputs shifts as well.
   */
  readonly biases: 'model' | 'corrected' | 'corrected with inputs'
}
