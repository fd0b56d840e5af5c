/**
 * What is quantized where: the interface between a target's recipe (which decides), calibration (which measures
 * ranges), accuracy recovery (which chooses parameters) and insertion (which writes Q/DQ nodes). Nodes and values are
 * referred to by name in the prepared graph, where every node has a unique name.
 */

/** The integer types that activations and weights are stored in. */
export type QuantizedType = 'int8' | 'uint8'

/** One read of a value: input `index` of a node. */
export interface Reader {
  readonly node: string
  readonly index: number
}

/** An activation with a Q/DQ pair behind it. */
export interface ActivationSite {
  readonly value: string
  /** Those that read the quantized value; whatever else reads the value keeps reading the float one. */
  readonly readers: readonly Reader[]
  /**
   * Sites of equal groups share one scale and zero point, so that what lies between them (MaxPool, Reshape, Concat
   * where the target asks for it) works on the integers unchanged.
   */
  readonly group: string
}

/** A constant weight of a Conv, ConvTranspose, Gemm or MatMul. */
export interface WeightSite {
  readonly node: string
  readonly index: number
  /** The initializer; may be read by several sites. */
  readonly value: string
  /** The axis of its own scales (the output channels); undefined for one scale in all. */
  readonly axis: number | undefined
  /** The initializer of the bias and which input it is; quantized to int32 with scale input * weight. */
  readonly bias?: { readonly index: number; readonly value: string }
  /** The activation that the weight is multiplied by. */
  readonly input: string
}

export interface Sites {
  readonly activations: readonly ActivationSite[]
  readonly weights: readonly WeightSite[]
}

/** real = scale * (quantized - zeroPoint); as in ONNX's QuantizeLinear, rounded half to even and saturated. */
export interface ActivationParameters {
  readonly dtype: QuantizedType
  readonly scale: number
  readonly zeroPoint: number
}

export interface WeightParameters {
  readonly dtype: QuantizedType
  readonly axis: number | undefined
  /** One, or one per index of `axis`. */
  readonly scales: Float32Array
  /** All zero where the scheme is symmetric. */
  readonly zeroPoints: Int32Array
  /** The rounded weight in the shape of the initializer. */
  readonly data: Int8Array | Uint8Array
}

export interface QuantizationParameters {
  /** By value; every activation site has one. */
  readonly activations: ReadonlyMap<string, ActivationParameters>
  /** By node. */
  readonly weights: ReadonlyMap<string, WeightParameters>
  /** By node: float biases that replace the model's (bias correction, equalisation); also where a node had none. */
  readonly biases: ReadonlyMap<string, Float32Array>
}
