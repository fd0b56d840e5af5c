import { type Argument, type Launch, pointerTo } from '../program/launch.ts'
import { type StructFields, type StructLayout, structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import { elementCode } from './elements.ts'
import { rowFields, rowWork } from './rows.ts'

/** The struct of a kernel that makes one output of the rows of one input. @param own fields of this kernel alone. */
export function rowLayout(own: StructFields): StructLayout {
  return structLayout({
    input: 'pointer',
    output: 'pointer',
    inputType: 'int32',
    outputType: 'int32',
    ...own,
    ...rowFields(2),
  })
}

interface RowLaunchArgs {
  readonly kernel: string
  /** Of `rowLayout`. */
  readonly layout: StructLayout
  readonly input: View
  readonly output: View
  /** Of the output, per axis of the input. */
  readonly outputStrides: readonly number[]
  /** Of the input, along which elements belong to one row. Not negative. */
  readonly axes: readonly number[]
  readonly maxThreads: number
  /** As for `rowWork`. */
  readonly valueBytes: number
  /** What the kernel's own fields are set to. */
  readonly settings: Readonly<Record<string, Argument>>
}

/** One launch of such a kernel; its tactic is how the rows are shared out. */
export function rowLaunch(args: RowLaunchArgs): Launch {
  const { kernel, layout, input, output, outputStrides, axes, maxThreads, valueBytes, settings } = args
  const operands = [input.strides, outputStrides]
  const { arguments: rows, ...start } = rowWork({ shape: input.shape, axes, operands, maxThreads, valueBytes })
  return {
    kernel,
    layout,
    ...start,
    arguments: {
      input: pointerTo(input),
      output: pointerTo(output),
      inputType: elementCode(input),
      outputType: elementCode(output),
      ...settings,
      ...rows,
    },
    reads: [input.buffer],
    writes: [output.buffer],
  }
}
