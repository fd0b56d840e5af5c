import { bytesPerElement, type View } from '../program/view.ts'
import type { IterationAxis } from './iteration.ts'

/** Walking over units of several neighbouring elements, where every operand lies so that units are aligned. */
interface Units<Axis extends IterationAxis = IterationAxis> {
  /** 1 to 16. */
  readonly bytes: number
  /** Elements in a unit. */
  readonly elements: number
  /** In units. */
  readonly axes: Axis[]
}

/**
 * The largest units, up to 16 bytes, in which operands of one element size can be moved.
 * @param operands those that are moved, in the order of the axes' strides.
 * @param isWhole whether an axis keeps whole units, given how many elements there are in one.
 */
export function unitsOf<Axis extends IterationAxis>(
  operands: readonly View[],
  axes: readonly Axis[],
  isWhole: (axis: Axis, elements: number) => boolean = () => true,
): Units<Axis> {
  const elementBytes = bytesPerElement(operands[0]!.dtype)
  const [inner, ...outer] = axes
  const moved = (strides: readonly number[]) => strides.slice(0, operands.length)
  const fits = (elements: number) =>
    elements * elementBytes <= 16 &&
    moved(inner!.strides).every((stride) => stride === 1) &&
    inner!.size % elements === 0 &&
    isWhole(inner!, elements) &&
    operands.every(({ offset }) => offset % elements === 0) &&
    outer.every(({ strides }) => moved(strides).every((stride) => stride % elements === 0))
  let elements = 1
  while (fits(elements * 2)) elements *= 2
  const inUnits = (strides: readonly number[]) =>
    strides.map((stride, operand) => (operand < operands.length ? stride / elements : stride))
  return {
    bytes: elementBytes * elements,
    elements,
    axes:
      elements === 1
        ? [...axes]
        : [
            {
              ...inner!,
              size: inner!.size / elements,
              strides: inner!.strides.map((stride, i) => (i < operands.length ? 1 : stride)),
            },
            ...outer.map((axis) => ({ ...axis, strides: inUnits(axis.strides) })),
          ],
  }
}
