import type { PackedList } from './packed-list.ts'
import type { MessageName, NumericType, schema } from './schema.ts'

/** How a scalar is held in JavaScript: 64-bit integers are always bigint, so that none loses precision. */
export interface Scalars {
  int32: number
  int64: bigint
  uint64: bigint
  float: number
  double: number
  string: string
  bytes: Uint8Array
}

/** A list of numbers: an array, or the packed bytes of the file, which are decoded only when asked for. */
export type NumberList<T extends NumericType> = readonly Scalars[T][] | PackedList<T>

type ValueOf<T> = T extends keyof Scalars ? Scalars[T] : T extends MessageName ? Message<T> : never

type FieldValue<F> = F extends { repeated: true; type: infer T }
  ? T extends NumericType
    ? NumberList<T>
    : readonly ValueOf<T>[]
  : F extends { type: infer T }
    ? ValueOf<T>
    : never

/**
 * A decoded message. A field that is absent in the file is absent here; `bytes` and packed lists are views on the
 * file. Fields that this version does not know are kept, tag included, and written back after the known ones.
 */
export type Message<M extends MessageName> = {
  -readonly [F in keyof (typeof schema)[M]]?: FieldValue<(typeof schema)[M][F]>
} & { unknownFields?: readonly Uint8Array[] }

export type ModelProto = Message<'ModelProto'>
export type GraphProto = Message<'GraphProto'>
export type NodeProto = Message<'NodeProto'>
export type AttributeProto = Message<'AttributeProto'>
export type TensorProto = Message<'TensorProto'>
export type SparseTensorProto = Message<'SparseTensorProto'>
export type ValueInfoProto = Message<'ValueInfoProto'>
export type TypeProto = Message<'TypeProto'>
export type TensorShapeProto = Message<'TensorShapeProto'>
export type FunctionProto = Message<'FunctionProto'>
