/** What ONNX's Resize says of one axis. */
export interface ResizeAxisArgs {
  readonly inputSize: number
  readonly outputSize: number
  /** output size / input size unless the model says otherwise. */
  readonly scale: number
  readonly mode: 'nearest' | 'linear' | 'cubic'
  readonly coordinates:
    | 'half_pixel'
    | 'half_pixel_symmetric'
    | 'pytorch_half_pixel'
    | 'align_corners'
    | 'asymmetric'
    | 'tf_half_pixel_for_nn'
    | 'tf_crop_and_resize'
  /** 'round_prefer_floor' if absent. */
  readonly nearestMode?: 'round_prefer_floor' | 'round_prefer_ceil' | 'floor' | 'ceil'
  /** -0.75 if absent. */
  readonly cubicCoefficient?: number
  readonly excludeOutside?: boolean
  readonly antialias?: boolean
  /** Start and end of the region of tf_crop_and_resize, as parts of the input's size. */
  readonly region?: readonly [start: number, end: number]
}

/** Positions and weights per output position: [output size, taps]. Position -1 is outside of the region. */
export interface ResizeTaps {
  readonly taps: number
  readonly indices: Int32Array
  readonly weights: Float32Array
}

export declare function resizeTaps(args: ResizeAxisArgs): ResizeTaps
