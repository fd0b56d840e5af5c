import type { Launch } from '../program/launch.ts'
import type { View } from '../program/view.ts'
import { computeFor } from './copy.ts'
import type { Quantization } from './epilogue.ts'
import { rowLaunch, rowLayout } from './row-launch.ts'

/** Codes of reduce.cu. */
const reductionCodes = {
  sum: 0,
  mean: 1,
  max: 2,
  min: 3,
  product: 4,
  l1: 5,
  l2: 6,
  sumOfSquares: 7,
  logSum: 8,
  logSumExp: 9,
} as const

export type Reduction = keyof typeof reductionCodes

/** With a logarithm or a root there are no integers. */
const floatReductions: ReadonlySet<Reduction> = new Set(['l2', 'logSum', 'logSumExp'])

/** Sums in float32, of integers in int64. */
export interface ReduceArgs {
  readonly input: View
  /** Of the input's shape with the reduced axes left out, or of size 1. */
  readonly output: View
  /** Not negative. */
  readonly axes: readonly number[]
  readonly operation: Reduction
  /** With an int8 or uint8 input: reduces the real values it stands for, in float32. */
  readonly inputQuantization?: Quantization | undefined
  readonly outputQuantization?: Quantization | undefined
}

export const reduceLayout = rowLayout({
  reduction: 'int32',
  inputScale: 'float32',
  inputZeroPoint: 'int32',
  outputScale: 'float32',
  outputZeroPoint: 'int32',
})

const maxThreads = 1024

export function reduce(args: ReduceArgs): Launch {
  const { input, output, axes, operation, inputQuantization, outputQuantization } = args
  const compute = inputQuantization ? 'float32' : computeFor(input.dtype)
  if (compute === 'float64') throw new Error('Reductions are not computed in float64.')
  if (compute === 'int64' && (floatReductions.has(operation) || outputQuantization))
    throw new Error(`'${operation}' of integers wants floats, got ${input.dtype}.`)
  const launch = rowLaunch({
    kernel: `reduce_${compute}`,
    layout: reduceLayout,
    input,
    output,
    outputStrides: keptStrides(output, input, axes),
    axes,
    maxThreads,
    valueBytes: compute === 'int64' ? 8 : 4,
    settings: {
      reduction: reductionCodes[operation],
      inputScale: inputQuantization?.scale ?? 0,
      inputZeroPoint: inputQuantization?.zeroPoint ?? 0,
      outputScale: outputQuantization?.scale ?? 0,
      outputZeroPoint: outputQuantization?.zeroPoint ?? 0,
    },
  })
  return { ...launch, tactic: `${compute} ${operation} of ${launch.tactic}` }
}

export interface ArgReduceArgs {
  readonly input: View
  /** int64 or int32, of the input's shape with the axis left out, or of size 1. */
  readonly output: View
  readonly axis: number
  readonly operation: 'argMax' | 'argMin'
  /** Of equal elements the last one instead of the first. */
  readonly selectLast?: boolean
}

export const argReduceLayout = rowLayout({ smallest: 'int32', selectLast: 'int32' })

export function argReduce({ input, output, axis, operation, selectLast = false }: ArgReduceArgs): Launch {
  const compute = computeFor(input.dtype)
  if (compute === 'float64') throw new Error('Reductions are not computed in float64.')
  const launch = rowLaunch({
    kernel: `arg_reduce_${compute}`,
    layout: argReduceLayout,
    input,
    output,
    outputStrides: keptStrides(output, input, [axis]),
    axes: [axis],
    maxThreads,
    valueBytes: 16,
    settings: { smallest: operation === 'argMin' ? 1 : 0, selectLast: selectLast ? 1 : 0 },
  })
  return { ...launch, tactic: `${compute} ${operation} of ${launch.tactic}` }
}

/** Strides of a result per axis of the input, 0 along those that are gone. */
function keptStrides(output: View, input: View, axes: readonly number[]): number[] {
  const isGone = (axis: number) => axes.includes(axis)
  const withoutThem = output.shape.length === input.shape.length - axes.length && axes.length > 0
  let next = 0
  const strides = input.shape.map((size, axis) => {
    if (isGone(axis)) {
      if (!withoutThem && output.shape[next++] !== 1) throw mismatch(output, input, axes)
      return 0
    }
    if (output.shape[next] !== size) throw mismatch(output, input, axes)
    return output.strides[next++]!
  })
  if (next !== output.shape.length) throw mismatch(output, input, axes)
  return strides
}

const mismatch = (output: View, input: View, axes: readonly number[]) =>
  new Error(`[${output.shape}] is not what [${input.shape}] becomes without the axes [${axes}].`)
