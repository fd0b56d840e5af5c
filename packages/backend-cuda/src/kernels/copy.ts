import { type DType, dtypes } from '@lowlat/core'
import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import { bytesPerElement, type View } from '../program/view.ts'
import { elementwise } from './elementwise.ts'
import type { Compute } from './elementwise-encoding.ts'
import { threadPerItem } from './grid.ts'
import { checkedSize, iterationArguments, iterationAxes, iterationFields, placesOf } from './iteration.ts'
import { transpose, transposedAxis } from './transpose.ts'
import { unitsOf } from './units.ts'

export const copyLayout = structLayout({
  input: 'pointer',
  output: 'pointer',
  count: 'int32',
  ...iterationFields(2),
})

/**
 * Copies element by element between views of one shape with any strides, converting as Cast does where the dtypes differ:
 * floats to integers toward zero, integers to narrower ones by their low bits.
 */
export function copy(from: View, to: View): Launch {
  if (from.shape.length !== to.shape.length || from.shape.some((size, axis) => size !== to.shape[axis]))
    throw new Error(`A copy wants two views of one shape, got [${from.shape}] and [${to.shape}].`)
  checkedSize(to.shape)
  const axes = iterationAxes(to.shape, [to.strides, from.strides]).map(({ size, strides }) => ({
    size,
    strides: strides.toReversed(),
  }))
  const compute = haveSameBits(from.dtype, to.dtype) ? undefined : castCompute(from.dtype, to.dtype)
  const row = transposedAxis(axes)
  if (row !== undefined && (compute === undefined || compute === 'float32'))
    return transpose({ input: from, output: to, axes, row, convert: compute !== undefined })
  if (compute) return elementwise({ inputs: [from], outputs: [to], program: [], compute })
  const units = unitsOf([from, to], axes)
  const count = placesOf(units.axes)
  return {
    kernel: `copy_${units.bytes}`,
    layout: copyLayout,
    ...threadPerItem(count),
    arguments: { input: pointerTo(from), output: pointerTo(to), count, ...iterationArguments(units.axes, 2) },
    reads: [from.buffer],
    writes: [to.buffer],
    tactic: `copy of ${units.bytes} bytes`,
  }
}

/** What holds values of a dtype. */
export function computeFor(dtype: DType): Compute {
  if (dtype === 'float64') return 'float64'
  return dtypes[dtype].kind === 'float' ? 'float32' : 'int64'
}

function castCompute(from: DType, to: DType): Compute {
  const computes = [computeFor(from), computeFor(to)]
  if (computes.includes('float64')) return 'float64'
  return computes.includes('float32') ? 'float32' : 'int64'
}

/** Whether every value is stored as the same bits, or wraps to them. */
function haveSameBits(from: DType, to: DType): boolean {
  const isInteger = (dtype: DType) => dtypes[dtype].kind === 'int' || dtypes[dtype].kind === 'uint'
  if (from === to) return true
  return bytesPerElement(from) === bytesPerElement(to) && isInteger(from) && isInteger(to)
}
