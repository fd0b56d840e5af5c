import type { Graph } from '@lowlat/onnx'
import type { Scheme } from '../calibrate/scheme.ts'
import type { Sites } from '../sites.ts'

export type Target = 'cpu' | 'cuda' | 'trt'

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
  /**
   * What to quantize in a prepared graph. The answer to `floats` is as consistent as the one without: what no longer
   * fuses is in float as a whole, so ask again rather than take sites away.
   */
  sites(graph: Graph, floats?: FloatParts): Sites
}
