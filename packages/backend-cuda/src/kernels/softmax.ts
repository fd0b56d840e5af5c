import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import { elementCode } from './elements.ts'
import { broadcastStrides } from './iteration.ts'
import { rowFields, rowWork } from './rows.ts'

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

export const softmaxLayout = structLayout({
  input: 'pointer',
  output: 'pointer',
  inputType: 'int32',
  outputType: 'int32',
  logarithm: 'int32',
  ...rowFields(2),
})

export function softmax({ input, output, axes, logarithm = false }: SoftmaxArgs): Launch {
  const operands = [input.strides, broadcastStrides(output, input.shape)]
  const work = rowWork({ shape: input.shape, axes, operands, maxThreads: 512, valueBytes: 4 })
  return {
    kernel: 'softmax',
    layout: softmaxLayout,
    grid: work.grid,
    threads: work.threads,
    sharedBytes: work.sharedBytes,
    arguments: {
      input: pointerTo(input),
      output: pointerTo(output),
      inputType: elementCode(input),
      outputType: elementCode(output),
      logarithm: logarithm ? 1 : 0,
      ...work.arguments,
    },
    reads: [input.buffer],
    writes: [output.buffer],
    tactic: work.tactic,
  }
}
