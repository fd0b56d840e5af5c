import type { Shape } from '@lowlat/core'
import { type Launch, pointerTo } from '../program/launch.ts'
import { statusBuffer } from '../program/status.ts'
import { structLayout } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import { elementCode } from './elements.ts'
import { threadPerItem } from './grid.ts'
import {
  checkedSize,
  type IterationAxis,
  iterationArguments,
  iterationAxes,
  iterationFields,
  placesOf,
} from './iteration.ts'
import { unitsOf } from './units.ts'

const maxCoordinates = 4

export const indexedLayout = structLayout({
  chosen: 'pointer',
  listed: 'pointer',
  indices: 'pointer',
  status: 'pointer',
  indexType: 'int32',
  count: 'int32',
  ...iterationFields(3),
  coordinates: 'int32',
  coordinateStep: 'int32',
  coordinateSizes: ['int32', maxCoordinates],
  coordinateStrides: ['int32', maxCoordinates],
})

interface IndexedArgs {
  readonly kind: 'gather' | 'scatter'
  /** Where indices say which element is read (gather) or written (scatter). */
  readonly chosen: View
  /** The other side, of `shape`. */
  readonly listed: View
  readonly indices: View
  readonly shape: Shape
  /** Per axis of the shape; 0 where an index decides instead. */
  readonly chosenStrides: readonly number[]
  readonly indexStrides: readonly number[]
  /** Axes of `chosen` for which there are indices. */
  readonly coordinates: readonly number[]
  /** Elements from one coordinate of an index to the next. */
  readonly coordinateStep?: number
}

/** A move between places that an iteration goes through and places that indices choose. */
export function indexed(args: IndexedArgs): Launch {
  const { kind, chosen, listed, indices, shape, coordinates, coordinateStep = 0 } = args
  checkShapes(args)
  checkedSize(shape)
  const sorted = iterationAxes(shape, [listed.strides, args.chosenStrides, args.indexStrides])
  const axes = sorted.map(({ size, strides: [a, b, c] }): IterationAxis => ({ size, strides: [b!, a!, c!] }))
  const steps = coordinates.map((axis) => chosen.strides[axis]!)
  const units = unitsOf([chosen, listed], axes, ({ strides }, elements) => {
    return strides[2] === 0 && steps.every((step) => step % elements === 0)
  })
  const count = placesOf(units.axes)
  const [read, written] = kind === 'gather' ? [chosen, listed] : [listed, chosen]
  return {
    kernel: `${kind}_${units.bytes}`,
    layout: indexedLayout,
    ...threadPerItem(count),
    arguments: {
      chosen: pointerTo(chosen),
      listed: pointerTo(listed),
      indices: pointerTo(indices),
      status: { buffer: statusBuffer, offsetBytes: 0 },
      indexType: elementCode(indices),
      count,
      ...iterationArguments(units.axes, 3),
      coordinates: coordinates.length,
      coordinateStep,
      coordinateSizes: coordinates.map((axis) => chosen.shape[axis]!),
      coordinateStrides: steps.map((step) => step / units.elements),
    },
    // What a scatter does not overwrite stays, so that it reads what it writes.
    reads: kind === 'gather' ? [read.buffer, indices.buffer] : [read.buffer, indices.buffer, written.buffer],
    writes: [written.buffer, statusBuffer],
    tactic: `${kind} of ${units.bytes} bytes`,
  }
}

function checkShapes({ chosen, listed, indices, shape, coordinates }: IndexedArgs): void {
  if (chosen.dtype !== listed.dtype)
    throw new Error(`Elements move as they are, not from ${chosen.dtype} to ${listed.dtype}.`)
  if (indices.dtype !== 'int64' && indices.dtype !== 'int32')
    throw new Error(`Indices are int64 or int32, got ${indices.dtype}.`)
  if (coordinates.length > maxCoordinates)
    throw new Error(`Indices have at most ${maxCoordinates} coordinates, got ${coordinates.length}.`)
  if (listed.shape.length !== shape.length || listed.shape.some((size, axis) => size !== shape[axis]))
    throw new Error(`Indices of [${indices.shape}] in [${chosen.shape}] give [${shape}], got [${listed.shape}].`)
}
