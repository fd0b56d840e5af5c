import type { Graph } from '@lowlat/onnx'
import type { Scheme } from '../calibrate/scheme.ts'
import type { Sites } from '../sites.ts'

export type Target = 'cpu' | 'cuda' | 'trt'

export type FloatPrecision = 'fp32' | 'fp16'

/** What hybrid precision leaves in float, by name. */
export interface FloatParts {
  /** Activations without Q/DQ; layers that cannot be fused without it stay in float with them. */
  readonly values?: ReadonlySet<string>
  readonly nodes?: ReadonlySet<string>
}

/** What a target's kernels want: number formats, and where Q/DQ stands so that everything fuses. */
export interface Recipe {
  readonly target: Target
  readonly activation: Scheme
  /** Per output channel wherever the channels lie along one axis of the weight. */
  readonly weight: Scheme
  /** 'int32' behind DequantizeLinear with scale input * weight, or left as it is. */
  readonly bias: 'int32' | 'float'
  /** Precision of what is computed in float. */
  readonly floatParts: FloatPrecision
  /**
   * Signal to noise of the outputs, in dB, below which the most sensitive parts stay in float unless the user says
   * otherwise; undefined where that costs too much to be done unasked.
   */
  readonly leastSqnrDb: number | undefined
  /**
   * What to quantize in a prepared graph. The answer to `floats` is as consistent as the one without: what no longer
   * fuses is in float as a whole, so ask again rather than take sites away.
   * @param isSimilar whether a value may share the scale of a wider one where that is faster, by their names.
   */
  sites(graph: Graph, floats?: FloatParts, isSimilar?: (value: string, wider: string) => boolean): Sites
  /** Rewrites what stays in float to what the target computes fastest, once Q/DQ nodes are in place. */
  finish?(quantized: Graph): void
}
