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

const f = Math.fround

/**
 * Where each output position reads, and how much of it: ONNX's definition of Resize (operator documentation and reference
 * implementation), coordinates in float32 as ONNX Runtime computes them, so that ties round alike.
 */
export function resizeTaps(args: ResizeAxisArgs): ResizeTaps {
  const { inputSize, outputSize, mode } = args
  const kernel = kernels[mode]
  // Antialiasing widens the kernel to the distance between output positions.
  const shrink = args.antialias ? Math.min(1, args.scale) : 1
  const start = mode === 'nearest' ? 0 : Math.floor(-kernel.radius / shrink) + 1
  const taps = mode === 'nearest' ? 1 : 2 - 2 * start
  const indices = new Int32Array(outputSize * taps)
  const weights = new Float32Array(outputSize * taps)
  for (let position = 0; position < outputSize; position++) {
    const row = position * taps
    const at = originalCoordinate(position, args)
    if (args.coordinates === 'tf_crop_and_resize' && (at < 0 || at > inputSize - 1)) {
      indices.fill(-1, row, row + taps)
      continue
    }
    const base = mode === 'nearest' ? nearest(at, args) : Math.floor(at)
    const own: number[] = []
    for (let tap = 0; tap < taps; tap++) {
      const place = base + start + tap
      const isOutside = place < 0 || place >= inputSize
      indices[row + tap] = Math.min(inputSize - 1, Math.max(0, place))
      const weight = mode === 'nearest' ? 1 : kernel.weight((place - at) * shrink, args.cubicCoefficient ?? -0.75)
      own.push(args.excludeOutside && isOutside ? 0 : weight)
    }
    const total = own.reduce((sum, weight) => sum + weight, 0)
    weights.set(
      own.map((weight) => weight / total),
      row,
    )
  }
  return { taps, indices, weights }
}

/** Interpolation kernels: how far they reach, and their weight at a distance. */
const kernels = {
  nearest: { radius: 0, weight: () => 1 },
  linear: { radius: 1, weight: (distance: number) => Math.max(0, 1 - Math.abs(distance)) },
  /** R. Keys, "Cubic convolution interpolation for digital image processing", 1981. */
  cubic: {
    radius: 2,
    weight(distance: number, a: number): number {
      const x = Math.abs(distance)
      if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1
      return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0
    },
  },
} as const

function originalCoordinate(position: number, args: ResizeAxisArgs): number {
  const { inputSize, outputSize, coordinates, region: [begin, end] = [0, 1] } = args
  const scale = f(args.scale)
  const halfPixel = () => f(f(f(position + 0.5) / scale) - 0.5)
  switch (coordinates) {
    case 'half_pixel':
      return halfPixel()
    case 'half_pixel_symmetric': {
      const adjustment = f(outputSize / f(scale * inputSize))
      return f(f(f(inputSize / 2) * f(1 - adjustment)) + halfPixel())
    }
    case 'pytorch_half_pixel':
      return outputSize > 1 ? halfPixel() : 0
    case 'align_corners':
      return outputSize === 1 ? 0 : f(f(position * (inputSize - 1)) / (outputSize - 1))
    case 'asymmetric':
      return f(position / scale)
    case 'tf_half_pixel_for_nn':
      return f(f(position + 0.5) / scale)
    case 'tf_crop_and_resize': {
      if (outputSize === 1) return f(f(0.5 * f(begin + end)) * (inputSize - 1))
      return f(f(begin * (inputSize - 1)) + f(f(position * f(f(end - begin) * (inputSize - 1))) / (outputSize - 1)))
    }
  }
}

function nearest(
  at: number,
  { nearestMode = 'round_prefer_floor', inputSize, outputSize, scale }: ResizeAxisArgs,
): number {
  if (inputSize === outputSize && scale === 1) return Math.round(at)
  const low = Math.floor(at)
  switch (nearestMode) {
    case 'round_prefer_floor':
      return at === low + 0.5 ? low : Math.round(at)
    case 'round_prefer_ceil':
      return Math.round(at)
    case 'floor':
      return low
    case 'ceil':
      return Math.ceil(at)
  }
}
