import { type Dim, type DType, dtypeFromOnnx, dtypes } from '@lowlat/core'
import { stringDataType } from '../codec/constants.ts'
import { invalidModel } from '../codec/errors.ts'
import type { TensorShapeProto, TypeProto, ValueInfoProto } from '../codec/messages.ts'

/** What a tensor of a model holds; strings have no dtype in lowlat's tensors. */
export type ElementType = DType | 'string'

/** An axis that has neither a size nor a name is undefined: it equals no other axis. */
export type PartialShape = readonly (Dim | undefined)[]

export interface ValueType {
  /** Undefined when unknown, or when the value is not a tensor. */
  readonly elementType: ElementType | undefined
  /** Undefined when not even the rank is known. */
  readonly shape: PartialShape | undefined
}

/** The tensor type in a value's declaration; both fields undefined for sequences, maps and the like. */
export function typeFromInfo(info: ValueInfoProto): ValueType {
  const tensor = info.type?.tensorType
  if (!tensor) return { elementType: undefined, shape: undefined }
  const code = tensor.elemType ?? 0
  const elementType = code === stringDataType ? 'string' : dtypeFromOnnx(code)
  return { elementType, shape: tensor.shape && shapeFromMessage(tensor.shape, info.name ?? '') }
}

function shapeFromMessage(shape: TensorShapeProto, name: string): PartialShape {
  return (shape.dim ?? []).map(({ dimValue, dimParam }) => {
    if (dimParam) return dimParam
    // Some exporters write -1 for a size that is known only at run time.
    if (dimValue === undefined || dimValue < 0n) return undefined
    if (dimValue > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw invalidModel(`Expected a size below 2^53 in the shape of '${name}', got ${dimValue}.`)
    }
    return Number(dimValue)
  })
}

/** The declaration of a value: the one that it came with where that still says the same, else a new one. */
export function infoFromType(name: string, type: ValueType, source: ValueInfoProto | undefined): ValueInfoProto {
  if (source && sameType(typeFromInfo(source), type)) return source.name === name ? source : { ...source, name }
  if (type.elementType === undefined) return { ...source, name }
  return { ...source, name, type: { tensorType: tensorTypeOf(type.elementType, type.shape) } }
}

function tensorTypeOf(elementType: ElementType, shape: PartialShape | undefined): NonNullable<TypeProto['tensorType']> {
  const elemType = elementType === 'string' ? stringDataType : dtypes[elementType].onnxCode
  if (!shape) return { elemType }
  const dim = shape.map((size) =>
    size === undefined ? {} : typeof size === 'string' ? { dimParam: size } : { dimValue: BigInt(size) },
  )
  return { elemType, shape: { dim } }
}

function sameType(a: ValueType, b: ValueType): boolean {
  if (a.elementType !== b.elementType || a.shape?.length !== b.shape?.length) return false
  return a.shape === undefined || a.shape.every((dim, axis) => dim === b.shape![axis])
}
