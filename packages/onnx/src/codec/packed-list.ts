import { BinaryReader } from '@bufbuild/protobuf/wire'
import { messageOf } from '@lowlat/core'
import { malformed } from './errors.ts'
import type { NumberList, Scalars } from './messages.ts'
import type { NumericType } from './schema.ts'

const fixedWidth: Partial<Record<NumericType, number>> = { float: 4, double: 8 }

/**
 * A packed list of numbers as its bytes in the file: nothing is decoded before {@link toArray}, and writing it back
 * copies the bytes. Float and double lists are little-endian IEEE 754, so `bytes` are the elements themselves.
 */
export class PackedList<T extends NumericType = NumericType> {
  readonly type: T
  readonly bytes: Uint8Array
  /** Where `bytes` start in the file; named in errors. */
  readonly offset: number

  /** @throws ModelError MODEL_INVALID when the bytes end within an element. */
  constructor(type: T, bytes: Uint8Array, offset = 0) {
    this.type = type
    this.bytes = bytes
    this.offset = offset
    const width = fixedWidth[type]
    const complete = width ? bytes.length % width === 0 : bytes.length === 0 || bytes[bytes.length - 1]! < 0x80
    if (!complete) throw malformed(`a packed list of ${bytes.length} bytes ends within a ${type}`, offset)
  }

  /** Number of elements. Counts the bytes that end a varint: linear in the size for integers. */
  get length(): number {
    const width = fixedWidth[this.type]
    if (width) return this.bytes.length / width
    let count = 0
    for (const byte of this.bytes) if (byte < 0x80) count++
    return count
  }

  /** The elements, decoded anew. @throws ModelError MODEL_INVALID for an integer of more than ten bytes. */
  toArray(): Scalars[T][] {
    const reader = new BinaryReader(this.bytes)
    const read = readers[this.type]
    const values: Scalars[T][] = []
    try {
      while (reader.pos < reader.len) values.push(read(reader))
    } catch (cause) {
      throw malformed(messageOf(cause), this.offset + reader.pos, cause)
    }
    return values
  }
}

/** Reads one number of each type. The reader gives 64-bit integers as text where it has no bigint. */
export const readers: { readonly [T in NumericType]: (reader: BinaryReader) => Scalars[T] } = {
  int32: (reader) => reader.int32(),
  int64: (reader) => BigInt(reader.int64()),
  uint64: (reader) => BigInt(reader.uint64()),
  float: (reader) => reader.float(),
  double: (reader) => reader.double(),
}

/** The elements of a list field in either form; empty when the field is absent. */
export function numbersOf<T extends NumericType>(list: NumberList<T> | undefined): readonly Scalars[T][] {
  if (list === undefined) return []
  return list instanceof PackedList ? list.toArray() : list
}
