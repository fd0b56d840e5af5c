import { type Shape, sizeOf } from '@lowlat/core'
import { checkedSize, iterationArguments, iterationAxes, iterationFields, maxAxes } from './iteration.ts'

/** Fields of a struct for `row_work` of rows.cuh. */
export function rowFields(operands: number) {
  return {
    rows: 'int32',
    length: 'int32',
    rowsPerBlock: 'int32',
    threadsPerRow: 'int32',
    adjacentRows: 'int32',
    ...iterationFields(operands),
    rowAxes: 'int32',
    rowSizes: ['int32', maxAxes],
    rowMultipliers: ['uint32', maxAxes],
    rowShifts: ['uint32', maxAxes],
    rowStrides: ['int32', operands * maxAxes],
  } as const
}

interface RowsArgs {
  readonly shape: Shape
  /** Along which elements belong to one row; each once, not negative. */
  readonly axes: readonly number[]
  /** Strides of each operand per axis of the shape, the one that matters most for speed first. */
  readonly operands: readonly (readonly number[])[]
  readonly maxThreads: number
  /** That threads give each other, of one value. */
  readonly valueBytes: number
}

/** Elements that a thread takes at least, if a row has so many: threads beyond would wait for each other more than they save. */
const elementsPerThread = 8

/** How blocks share out the rows of a tensor. */
export function rowWork({ shape, axes, operands, maxThreads, valueBytes }: RowsArgs) {
  checkedSize(shape)
  if (new Set(axes).size !== axes.length || axes.some((axis) => !(axis >= 0 && axis < shape.length)))
    throw new Error(`Axes [${axes}] are not different ones of [${shape}].`)
  const isInRow = (axis: number) => axes.includes(axis)
  const only = (kept: (axis: number) => boolean) => shape.map((size, axis) => (kept(axis) ? size : 1))
  const rowShape = only(isInRow)
  const keptShape = only((axis) => !isInRow(axis))
  const within = iterationAxes(rowShape, operands)
  const between = iterationAxes(keptShape, operands)
  const length = sizeOf(rowShape)
  const rows = sizeOf(keptShape)
  const adjacent = rows > 1 && length > 1 && within[0]!.strides[0] !== 1 && between[0]!.strides[0] === 1
  const wanted = powerOfTwo(length / elementsPerThread)
  let rowsPerBlock: number
  let threadsPerRow: number
  if (adjacent) {
    rowsPerBlock = Math.min(32, powerOfTwo(between[0]!.size))
    threadsPerRow = Math.min(maxThreads / rowsPerBlock, Math.max(32 / rowsPerBlock, wanted))
  } else {
    threadsPerRow = Math.min(maxThreads, wanted)
    rowsPerBlock = Math.max(1, 32 / threadsPerRow, Math.min(128 / threadsPerRow, powerOfTwo(rows)))
  }
  const threads = rowsPerBlock * threadsPerRow
  const rowDivisions = iterationArguments(within, operands.length)
  return {
    grid: [Math.ceil(rows / rowsPerBlock), 1, 1] as const,
    threads,
    sharedBytes: threads * valueBytes,
    tactic: `${rows} rows of ${length}, ${threadsPerRow} threads each${adjacent ? ', side by side' : ''}`,
    arguments: {
      rows,
      length,
      rowsPerBlock,
      threadsPerRow,
      adjacentRows: adjacent ? 1 : 0,
      ...iterationArguments(between, operands.length),
      rowAxes: rowDivisions.axes,
      rowSizes: rowDivisions.sizes,
      rowMultipliers: rowDivisions.multipliers,
      rowShifts: rowDivisions.shifts,
      rowStrides: rowDivisions.strides,
    },
  }
}

/** The smallest power of two that is not below. */
function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, value)))
}
