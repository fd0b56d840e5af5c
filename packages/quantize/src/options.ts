import type { Backend, Feeds, Fetches } from '@lowlat/core'
import type { CalibrationTable } from './calibrate/table.ts'
import type { CalibrationMethod, Choice } from './choose/choice.ts'
import type { Trial } from './choose/search.ts'
import type { OutputErrorReport } from './measure/output-error.ts'
import type { Samples } from './samples.ts'
import type { FloatPrecision, Target } from './targets/recipe.ts'
import type { WeightMethod } from './weights/channel-scale.ts'

/** What a model is good for, as a number; higher is better. */
export interface Metric {
  readonly name: string
  /** @param run computes the model under evaluation; called for the float model and for quantized ones. */
  evaluate(run: (feeds: Feeds) => Promise<Fetches>): Promise<number>
}

export interface QuantizeOptions {
  /**
   * Typical inputs, preprocessed as in production; a hundred are enough, several hundred more bring nothing. The first
   * ones are looked at again later: do not write into their memory before `quantize` is done.
   */
  readonly samples: Samples
  /** Where the model is going to run; default 'cpu'. */
  readonly target?: Target | undefined
  /** How ranges of activations are chosen; 'auto' (default) takes whichever errs least on the samples. */
  readonly method?: 'auto' | CalibrationMethod | undefined
  /** How scales of weights are chosen; 'auto' is the default. */
  readonly weights?: 'auto' | WeightMethod | undefined
  /**
   * 'auto' (default): fold zero points, equalise channels, correct biases and round weights by reconstruction where that
   * lowers the error.
   */
  readonly recovery?: 'auto' | 'none' | undefined
  /**
   * How much of the metric may be lost. Where more is lost, the fewest, most sensitive parts stay in float; where even
   * that does not suffice, ACCURACY_NOT_REACHED.
   */
  readonly maxDrop?: number | undefined
  /** What `maxDrop` is about, without which it is refused; default: the cosine of the outputs with those of the float model. */
  readonly metric?: Metric | undefined
  /**
   * Signal to noise of the outputs on the samples, in dB, up to which the fewest, most sensitive parts stay in float (a
   * tenth of all at most); 'none' leaves nothing in float unasked. Default 25 for 'cuda' and 'trt', where such parts cost
   * little, and 'none' for 'cpu'. With `maxDrop` the metric decides instead.
   */
  readonly leastSqnrDb?: number | 'none' | undefined
  /**
   * Precision of what is computed in float; inputs and outputs of the model stay as they are. Default 'fp16' for 'cuda'
   * and 'trt' (see `convertToFloat16` for what stays in float32 even so), 'fp32' for 'cpu', which computes it no faster.
   */
  readonly floatParts?: FloatPrecision | undefined
  /**
   * 'auto' (default): the first layers stay in float as long as whole runs are faster that way, which is measured where
   * `backend` is what the model is quantized for; 'int8': every layer that can be is in integers.
   */
  readonly leadingLayers?: 'auto' | 'int8' | undefined
  /** Parts that stay in float in any case, by name. */
  readonly keepFloat?: { readonly nodes?: readonly string[]; readonly values?: readonly string[] } | undefined
  /** Ranges from an earlier calibration of the same model, for any target: the samples are only measured with then. */
  readonly calibration?: CalibrationTable | undefined
  /** Where the model runs while it is quantized; default 'cpu'. */
  readonly backend?: string | Backend | undefined
  readonly onProgress?: ((event: QuantizeEvent) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export type QuantizeEvent =
  | { readonly phase: 'calibrate'; readonly completed: number }
  /** So many of the first layers in float, against the fastest number of them so far. */
  | { readonly phase: 'leading'; readonly layers: number; readonly speedup: number }
  | { readonly phase: 'search'; readonly trial: Trial }
  | { readonly phase: 'sensitivity'; readonly completed: number; readonly total: number }
  /** With `maxDrop` in the metric's unit; otherwise signal to noise in dB, and what is missing of `leastSqnrDb`. */
  | { readonly phase: 'gate'; readonly metric: number; readonly drop: number; readonly inFloat: readonly string[] }
  | { readonly phase: 'speed'; readonly floatUs: number; readonly quantizedUs: number }
  | { readonly phase: 'warning'; readonly message: string }

export interface QuantizeReport {
  readonly target: Target
  readonly samples: number
  readonly choice: Choice
  /** Of the model that was chosen, against the float model, on the samples. */
  readonly error: OutputErrorReport
  /** Everything that was tried, in order. */
  readonly trials: readonly Trial[]
  /** Activations and weights in integers. */
  readonly activations: number
  readonly weights: number
  /** What stays in float for accuracy's sake, and why. */
  readonly inFloat: readonly FloatPart[]
  /** Present where the first layers stay in float because that is faster. */
  readonly leading?: LeadingLayers
  /** Nodes that compute in float16. */
  readonly inFloat16: number
  /** Present with `maxDrop`. */
  readonly gate?: GateReport
  /** Present where the target is the backend that the model ran on: one thread, medians of interleaved runs. */
  readonly speed?: { readonly floatUs: number; readonly quantizedUs: number; readonly speedup: number }
  /** What a user should know before the model is used. */
  readonly warnings: readonly string[]
}

/** One thread, medians of interleaved runs. */
export interface LeadingLayers {
  /** Nodes, in order. */
  readonly names: readonly string[]
  /** With all layers in integers, and with these in float. */
  readonly integersUs: number
  readonly floatUs: number
  readonly speedup: number
}

export interface FloatPart {
  readonly kind: 'activation' | 'weight'
  readonly name: string
  /** Signal to noise of the outputs when it alone is quantized. */
  readonly sqnrDb: number
}

export interface GateReport {
  readonly metric: string
  readonly float: number
  readonly quantized: number
  readonly drop: number
  readonly maxDrop: number
}
