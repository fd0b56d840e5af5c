import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import { elementCode } from './elements.ts'
import { broadcastStrides } from './iteration.ts'
import { rowFields, rowWork } from './rows.ts'

/**
 * (x - mean) / sqrt(variance + epsilon) * scale + bias, mean and variance over some axes: LayerNormalization (the last
 * axes), InstanceNormalization (the spatial ones), GroupNormalization (of a view [N, groups, C / groups, ...] all after the groups).
 */
export interface NormalizeArgs {
  /** float32 or float16, any strides. */
  readonly input: View
  /** The same shape; may be the input itself. */
  readonly output: View
  /** Not negative. */
  readonly axes: readonly number[]
  /** float32 or float16, broadcast to the input's shape as numpy does. */
  readonly scale?: View | undefined
  readonly bias?: View | undefined
  readonly epsilon: number
  /** 'rms' divides by sqrt(mean of squares + epsilon) and subtracts nothing. 'layer' if absent. */
  readonly kind?: 'layer' | 'rms'
  /** Added to the input before, broadcast to its shape. */
  readonly residual?: View | undefined
  /** Where input + residual goes, if it is read elsewhere. */
  readonly sum?: View | undefined
}

export const normalizeLayout = structLayout({
  input: 'pointer',
  residual: 'pointer',
  scale: 'pointer',
  bias: 'pointer',
  output: 'pointer',
  sum: 'pointer',
  inputType: 'int32',
  residualType: 'int32',
  scaleType: 'int32',
  biasType: 'int32',
  outputType: 'int32',
  sumType: 'int32',
  epsilon: 'float32',
  rootMeanSquare: 'int32',
  ...rowFields(6),
})

export function normalize(args: NormalizeArgs): Launch {
  const { input, residual, scale, bias, output, sum, axes, epsilon, kind = 'layer' } = args
  const operands = [input, residual, scale, bias, output, sum].map((view) =>
    view ? broadcastStrides(view, input.shape) : input.shape.map(() => 0),
  )
  const work = rowWork({ shape: input.shape, axes, operands, maxThreads: 512, valueBytes: 4 })
  const typeOf = (view: View | undefined) => (view ? elementCode(view) : 0)
  return {
    kernel: 'normalize',
    layout: normalizeLayout,
    grid: work.grid,
    threads: work.threads,
    sharedBytes: work.sharedBytes,
    arguments: {
      input: pointerTo(input),
      residual: residual && pointerTo(residual),
      scale: scale && pointerTo(scale),
      bias: bias && pointerTo(bias),
      output: pointerTo(output),
      sum: sum && pointerTo(sum),
      inputType: elementCode(input),
      residualType: typeOf(residual),
      scaleType: typeOf(scale),
      biasType: typeOf(bias),
      outputType: elementCode(output),
      sumType: typeOf(sum),
      epsilon,
      rootMeanSquare: kind === 'rms' ? 1 : 0,
      ...work.arguments,
    },
    reads: [input, residual, scale, bias].flatMap((view) => (view ? [view.buffer] : [])),
    writes: [output, sum].flatMap((view) => (view ? [view.buffer] : [])),
    tactic: `${kind} over ${work.tactic}`,
  }
}
