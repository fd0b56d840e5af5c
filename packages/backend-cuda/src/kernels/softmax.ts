import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import { broadcastStrides } from './iteration.ts'
import { rowLaunch, rowLayout } from './row-launch.ts'

interface SoftmaxArgs {
  /** float32 or float16, any strides. */
  readonly input: View
  /** The same shape; may be the input itself. */
  readonly output: View
  /** One axis, or several that are normalised together. Not negative. */
  readonly axes: readonly number[]
  /** LogSoftmax. */
  readonly logarithm?: boolean
}

export const softmaxLayout = rowLayout({ logarithm: 'int32' })

export function softmax({ input, output, axes, logarithm = false }: SoftmaxArgs): Launch {
  return rowLaunch({
    kernel: 'softmax',
    layout: softmaxLayout,
    input,
    output,
    outputStrides: broadcastStrides(output, input.shape),
    axes,
    maxThreads: 512,
    valueBytes: 4,
    settings: { logarithm: logarithm ? 1 : 0 },
  })
}
