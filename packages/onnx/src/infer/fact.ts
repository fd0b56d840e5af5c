import { dtypes, isDType, isShape, type Shape, sizeOf, Tensor } from '@lowlat/core'
import { isWide, valuesOf } from '../evaluate/elements.ts'
import type { ElementType, PartialShape, ValueType } from '../graph/value-type.ts'
import type { PartialDim } from './dims.ts'

/** What is known of a value before any run. */
export interface Fact extends ValueType {
  /** Its elements, where they are constant and few. */
  readonly constant?: Tensor | undefined
  /** Elements of an integer or bool tensor of known shape that are known in part: sizes that went through Shape. */
  readonly values?: readonly PartialDim[] | undefined
}

export const unknownFact: Fact = { elementType: undefined, shape: undefined }

/** Tensors with more elements are not followed: they are weights, not sizes. */
export const maxConstantElements = 4096

export function constantFact(tensor: Tensor): Fact {
  return { elementType: tensor.dtype, shape: tensor.shape, constant: tensor }
}

/** The elements as far as they are known; undefined for floats, and where not even their number is known. */
export function knownValues(fact: Fact): readonly PartialDim[] | undefined {
  if (fact.values) return fact.values
  const { constant } = fact
  if (!constant || !isCountable(constant.dtype)) return undefined
  return Array.from(valuesOf(constant)!, Number)
}

function isCountable(elementType: ElementType | undefined): boolean {
  return isDType(elementType) && ['int', 'uint', 'bool'].includes(dtypes[elementType].kind)
}

export function isConcrete(shape: PartialShape | undefined): shape is Shape {
  return isShape(shape)
}

/** A fact with partly known elements; a constant where all are known. Elements beyond 2^53 are rounded: not known. */
export function factFromValues(type: ValueType, values: readonly PartialDim[] | undefined): Fact {
  const { elementType, shape } = type
  if (!values || !isCountable(elementType) || !isDType(elementType) || !isConcrete(shape)) return type
  if (values.length !== sizeOf(shape)) return type
  if (!values.every((value) => Number.isSafeInteger(value))) return { elementType, shape, values }
  const data = new dtypes[elementType].array(values.length)
  if (dtypes[elementType].bits < 8) return type
  for (const [i, value] of values.entries()) data[i] = isWide(elementType) ? BigInt(value!) : Number(value)
  return { elementType, shape, constant: new Tensor(elementType, shape, data) }
}

/** Where two descriptions of one value contradict each other, and what both say together; `a` wins. */
export function refine(a: ValueType, b: ValueType): { type: ValueType; contradiction: boolean } {
  const elementType = a.elementType ?? b.elementType
  let contradiction = b.elementType !== undefined && elementType !== b.elementType
  if (!a.shape || !b.shape) return { type: { elementType, shape: a.shape ?? b.shape }, contradiction }
  if (a.shape.length !== b.shape.length) return { type: { elementType, shape: a.shape }, contradiction: true }
  const shape = a.shape.map((dim, axis) => {
    const other = b.shape![axis]
    if (typeof dim === 'number') {
      if (typeof other === 'number' && other !== dim) contradiction = true
      return dim
    }
    return typeof other === 'number' ? other : (dim ?? other)
  })
  return { type: { elementType, shape }, contradiction }
}

/** Whether element type, rank and every size are known, by number or by name. */
export function isKnown(type: ValueType): boolean {
  return type.elementType !== undefined && type.shape !== undefined && !type.shape.includes(undefined)
}
