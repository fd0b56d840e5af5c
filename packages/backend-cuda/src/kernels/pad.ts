import { viewAs } from '@lowlat/core'
import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import { bytesPerElement, type View } from '../program/view.ts'
import { elementBits } from './elements.ts'
import { threadPerItem } from './grid.ts'
import {
  checkedSize,
  type IterationAxis,
  iterationArguments,
  iterationFields,
  maxAxes,
  mergeAxes,
  placesOf,
} from './iteration.ts'
import { unitsOf } from './units.ts'

/** Any dtype, any strides, at most 8 axes after neighbours without padding are joined. */
export interface PadArgs {
  readonly input: View
  /** Its shape says how much comes after. */
  readonly output: View
  /** Per axis; negative ones remove elements. */
  readonly padsBefore: readonly number[]
  readonly mode: 'constant' | 'reflect' | 'edge' | 'wrap'
  /** What padding is set to, with 'constant'; 0 if absent. */
  readonly value?: number
}

/** Codes of pad.cu. */
const modes = { constant: 0, reflect: 1, edge: 2, wrap: 3 }

export const padLayout = structLayout({
  input: 'pointer',
  output: 'pointer',
  mode: 'int32',
  value: ['uint32', 4],
  count: 'int32',
  ...iterationFields(2),
  inputSizes: ['int32', maxAxes],
  before: ['int32', maxAxes],
})

interface PaddedAxis extends IterationAxis {
  /** Elements more than the input has, before and after. */
  readonly added: number
  readonly before: number
}

const isPadded = ({ added, before }: PaddedAxis) => before !== 0 || added !== 0

export function pad({ input, output, padsBefore, mode, value = 0 }: PadArgs): Launch {
  if (input.dtype !== output.dtype || input.shape.length !== output.shape.length)
    throw new Error(
      `Padding wants one dtype and rank, got ${input.dtype}[${input.shape}], ${output.dtype}[${output.shape}].`,
    )
  checkedSize(output.shape)
  const all = output.shape.map((size, axis): PaddedAxis => {
    const strides = [input.strides[axis]!, output.strides[axis]!]
    return { size, strides, added: size - input.shape[axis]!, before: padsBefore[axis]! }
  })
  const kept = all.filter((axis) => axis.size !== 1 || isPadded(axis))
  // Unlike `iterationAxes`, innermost by the output alone: nothing else is written.
  const sorted = kept.reverse().sort((a, b) => a.strides[1]! - b.strides[1]!)
  const first = sorted.length > 0 ? sorted : [{ size: 1, strides: [0, 0], added: 0, before: 0 }]
  const merged = mergeAxes(first, (inner, outer) => !isPadded(inner) && !isPadded(outer))
  const units = unitsOf([input, output], merged, ({ added, before }, elements) => {
    return added % elements === 0 && before % elements === 0 && (mode === 'constant' || !isPadded(merged[0]!))
  })
  const [inner, ...outer] = units.axes
  const { elements } = units
  const axes = [{ ...inner!, added: inner!.added / elements, before: inner!.before / elements }, ...outer]
  const count = placesOf(axes)
  return {
    kernel: `pad_${units.bytes}`,
    layout: padLayout,
    ...threadPerItem(count),
    arguments: {
      input: pointerTo(input),
      output: pointerTo(output),
      mode: modes[mode],
      value: filling(output, value),
      count,
      ...iterationArguments(axes, 2),
      inputSizes: axes.map(({ size, added }) => size - added),
      before: axes.map(({ before }) => before),
    },
    reads: [input.buffer],
    writes: [output.buffer],
    tactic: `${mode}, ${units.bytes} bytes`,
  }
}

/** Sixteen bytes full of one element. */
function filling({ dtype }: View, value: number): number[] {
  const element = elementBits(dtype, value)
  const bytes = new Uint8Array(16)
  for (let start = 0; start < 16; start += bytesPerElement(dtype)) bytes.set(element, start)
  return [...viewAs('uint32', bytes)]
}
