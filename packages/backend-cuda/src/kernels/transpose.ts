import { type Launch, pointerTo } from '../program/launch.ts'
import { structLayout } from '../program/struct.ts'
import { bytesPerElement, type View } from '../program/view.ts'
import { divisorArguments, divisorFields } from './division.ts'
import { elementCode } from './elements.ts'
import { type IterationAxis, iterationArguments, iterationFields, placesOf } from './iteration.ts'

export const transposeLayout = structLayout({
  input: 'pointer',
  output: 'pointer',
  inputType: 'int32',
  outputType: 'int32',
  rows: 'int32',
  columns: 'int32',
  inputRow: 'int32',
  inputColumn: 'int32',
  outputRow: 'int32',
  outputColumn: 'int32',
  ...divisorFields('rowTiles'),
  ...divisorFields('columnTiles'),
  ...iterationFields(2),
})

const threads = 256
/** Matrices that are shorter gain nothing by tiles. */
const minSize = 8

interface TransposeArgs {
  readonly input: View
  readonly output: View
  /** In the order of the output's strides; each axis has the strides of input and output. */
  readonly axes: readonly IterationAxis[]
  /** The input's innermost axis, which `transposedAxis` found. */
  readonly row: number
  /** Through float32; else the bits are moved, and both have elements of one size. */
  readonly convert: boolean
}

/** The axis along which the input is contiguous, where the output is so along another and both are long enough for tiles. */
export function transposedAxis(axes: readonly IterationAxis[]): number | undefined {
  const [inner, ...outer] = axes
  if (inner!.strides[1] !== 1 || inner!.strides[0] === 1 || inner!.size < minSize) return undefined
  const row = outer.findIndex(({ size, strides }) => strides[0] === 1 && size >= minSize)
  return row < 0 ? undefined : row + 1
}

export function transpose({ input, output, axes, row, convert }: TransposeArgs): Launch {
  const bytes = convert ? 4 : bytesPerElement(input.dtype)
  const tile = bytes < 4 ? 64 : 32
  const [columnAxis] = axes
  const rowAxis = axes[row]!
  const rest = axes.filter((_, index) => index !== 0 && index !== row)
  const matrices = rest.length > 0 ? rest : [{ size: 1, strides: [0, 0] }]
  const rowTiles = Math.ceil(rowAxis.size / tile)
  const columnTiles = Math.ceil(columnAxis!.size / tile)
  return {
    kernel: `transpose_${convert ? 'convert' : bytes}`,
    layout: transposeLayout,
    grid: [placesOf(matrices) * rowTiles * columnTiles, 1, 1],
    threads,
    sharedBytes: tile * (tile + Math.max(1, 4 / bytes)) * bytes,
    arguments: {
      input: pointerTo(input),
      output: pointerTo(output),
      inputType: convert ? elementCode(input) : 0,
      outputType: convert ? elementCode(output) : 0,
      rows: rowAxis.size,
      columns: columnAxis!.size,
      inputRow: rowAxis.strides[0]!,
      inputColumn: columnAxis!.strides[0]!,
      outputRow: rowAxis.strides[1]!,
      outputColumn: columnAxis!.strides[1]!,
      ...divisorArguments('rowTiles', rowTiles),
      ...divisorArguments('columnTiles', columnTiles),
      ...iterationArguments(matrices, 2),
    },
    reads: [input.buffer],
    writes: [output.buffer],
    tactic: `transpose of ${rowAxis.size} x ${columnAxis!.size}`,
  }
}
