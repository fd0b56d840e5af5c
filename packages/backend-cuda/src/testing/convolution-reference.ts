/** What convolutions and matrix products are checked against: plain loops over values in row-major order, sums in float64. */
interface ConvolutionReference {
  /** [N, C, H, W] */
  readonly input: ArrayLike<number>
  readonly inputShape: readonly [number, number, number, number]
  /** [M, C / group, R, S] */
  readonly weights: ArrayLike<number>
  readonly weightsShape: readonly [number, number, number, number]
  readonly strides: readonly [number, number]
  readonly dilations: readonly [number, number]
  readonly pads: readonly [top: number, left: number, bottom: number, right: number]
  readonly group: number
  /** What padding reads as; 0 if absent. */
  readonly paddingValue?: number
}

interface ReferenceSums {
  /** [N, M, OH, OW] */
  readonly shape: readonly [number, number, number, number]
  readonly sums: Float64Array
  /** Sums of absolute products: what rounding errors are in proportion to. */
  readonly magnitudes: Float64Array
}

export function convolutionReference(args: ConvolutionReference): ReferenceSums {
  const [images, channels, height, width] = args.inputShape
  const [columns, depth, kernelHeight, kernelWidth] = args.weightsShape
  const { group, paddingValue = 0 } = args
  const [strideY, strideX] = args.strides
  const [dilationY, dilationX] = args.dilations
  const [top, left, bottom, right] = args.pads
  const outHeight = Math.floor((height + top + bottom - dilationY * (kernelHeight - 1) - 1) / strideY) + 1
  const outWidth = Math.floor((width + left + right - dilationX * (kernelWidth - 1) - 1) / strideX) + 1
  const shape = [images, columns, outHeight, outWidth] as const
  const sums = new Float64Array(images * columns * outHeight * outWidth)
  const magnitudes = new Float64Array(sums.length)
  let at = 0
  for (let image = 0; image < images; image++) {
    for (let column = 0; column < columns; column++) {
      const firstChannel = Math.floor(column / (columns / group)) * depth
      for (let y = 0; y < outHeight; y++) {
        for (let x = 0; x < outWidth; x++, at++) {
          for (let c = 0; c < depth; c++) {
            for (let tapY = 0; tapY < kernelHeight; tapY++) {
              for (let tapX = 0; tapX < kernelWidth; tapX++) {
                const inputY = y * strideY - top + tapY * dilationY
                const inputX = x * strideX - left + tapX * dilationX
                const inside = inputY >= 0 && inputY < height && inputX >= 0 && inputX < width
                const value = inside
                  ? args.input[((image * channels + firstChannel + c) * height + inputY) * width + inputX]!
                  : paddingValue
                const product = value * args.weights[((column * depth + c) * kernelHeight + tapY) * kernelWidth + tapX]!
                sums[at]! += product
                magnitudes[at]! += Math.abs(product)
              }
            }
          }
        }
      }
    }
  }
  return { shape, sums, magnitudes }
}

/** [batch, rows, depth] x [batch, depth, columns] */
export function matrixReference(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  [batch, rows, columns, depth]: readonly [number, number, number, number],
): { sums: Float64Array; magnitudes: Float64Array } {
  const sums = new Float64Array(batch * rows * columns)
  const magnitudes = new Float64Array(sums.length)
  for (let item = 0; item < batch; item++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at = (item * rows + row) * columns + column
        for (let k = 0; k < depth; k++) {
          const product = a[(item * rows + row) * depth + k]! * b[(item * depth + k) * columns + column]!
          sums[at]! += product
          magnitudes[at]! += Math.abs(product)
        }
      }
    }
  }
  return { sums, magnitudes }
}
