import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { checkArgument, isLowlatError, messageOf } from '@lowlat/core'
import { bytesRule, malformed } from './errors.ts'
import type { Message } from './messages.ts'
import { PackedList, readers } from './packed-list.ts'
import { fieldsOf, type MessageName, type NamedField, type NumericType, type ScalarType, schema } from './schema.ts'

/** Messages inside messages; protobuf's own parsers stop at the same depth. A subgraph takes three levels. */
const MAX_DEPTH = 100
/** A varint holds 64 bits, 7 per byte. */
const MAX_VARINT_BYTES = 10

const wireTypes: Readonly<Record<ScalarType, WireType>> = {
  int32: WireType.Varint,
  int64: WireType.Varint,
  uint64: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
}

const byNumber: ReadonlyMap<string, ReadonlyMap<number, NamedField>> = new Map(
  Object.entries(fieldsOf).map(([message, fields]) => [message, new Map(fields.map((field) => [field.number, field]))]),
)

/**
 * Strict, and without the removal of byte order marks that is TextDecoder's default: names must survive a round trip.
 */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type Fields = Record<string, unknown> & { unknownFields?: Uint8Array[] }

/**
 * Decodes one message. Nothing is copied: `bytes` fields, packed lists and unknown fields are views on `bytes`, which
 * must not change while the message is in use. Takes time in proportion to the number of fields, not to their sizes.
 * @throws ModelError MODEL_INVALID with the offset for bytes that are not this message; InputError INVALID_ARGUMENT for
 * what is no Uint8Array.
 */
export function decode<M extends MessageName>(name: M, bytes: Uint8Array): Message<M> {
  checkArgument('bytes', bytes, bytesRule)
  const decoder = new Decoder(bytes)
  const message: Fields = {}
  try {
    decoder.message(name, message, bytes.length, 0)
  } catch (error) {
    if (isLowlatError(error)) throw error
    throw malformed(`${decoder.field}: ${messageOf(error)}`, decoder.fieldStart, error)
  }
  return message as Message<M>
}

class Decoder {
  /** The field that is being read and where it starts, for errors. */
  field = 'no field'
  fieldStart = 0
  readonly #bytes: Uint8Array
  readonly #reader: BinaryReader

  constructor(bytes: Uint8Array) {
    // A Buffer's own slice() is a view, which code that expects Uint8Array's copy would trip over.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#reader = new BinaryReader(this.#bytes, (text) => utf8.decode(text))
  }

  message(name: MessageName, target: Fields, end: number, depth: number): void {
    const reader = this.#reader
    const known = byNumber.get(name)!
    while (reader.pos < end) {
      const start = reader.pos
      this.fieldStart = start
      this.field = name
      const [number, wireType] = reader.tag()
      const field = known.get(number)
      if (field) {
        this.field = `${name}.${field.name}`
        this.#read(field, wireType, target, end, depth)
      } else {
        this.field = `${name}, unknown field ${number}`
        const data = reader.skip(wireType, number, MAX_DEPTH - depth)
        if (wireType === WireType.Varint && data.length > MAX_VARINT_BYTES) throw new Error('invalid varint')
        target.unknownFields ??= []
        target.unknownFields.push(this.#bytes.subarray(start, reader.pos))
      }
      if (reader.pos > end) throw new Error(`the field ends ${reader.pos - end} bytes after the message around it`)
    }
  }

  #read(field: NamedField, wireType: WireType, target: Fields, end: number, depth: number): void {
    const { type, name } = field
    if (!isScalar(type)) {
      this.#expect(wireType, WireType.LengthDelimited)
      // Protobuf merges a message that comes in several pieces.
      const child: Fields = field.repeated ? {} : ((target[name] as Fields | undefined) ?? {})
      if (field.repeated) append(target, name, child)
      else target[name] = child
      this.#child(type, child, end, depth + 1)
    } else if (field.repeated && isNumeric(type) && wireType === WireType.LengthDelimited) {
      const bytes = this.#reader.bytes()
      const list = new PackedList(type, bytes, this.#reader.pos - bytes.length)
      // Several pieces of one list are rare: only then is it decoded here.
      if (target[name] === undefined) target[name] = list
      else for (const value of list.toArray()) append(target, name, value)
    } else {
      this.#expect(wireType, wireTypes[type])
      const value = this.#scalar(type)
      if (field.repeated) append(target, name, value)
      else target[name] = value
    }
  }

  #child(name: MessageName, target: Fields, end: number, depth: number): void {
    if (depth > MAX_DEPTH) throw new Error(`messages are nested deeper than ${MAX_DEPTH} levels`)
    const length = this.#reader.uint32()
    const childEnd = this.#reader.pos + length
    if (childEnd > end) throw new Error(`it says ${length} bytes, but only ${end - this.#reader.pos} are left`)
    this.message(name, target, childEnd, depth)
  }

  #scalar(type: ScalarType): unknown {
    if (type === 'string') return this.#reader.string(true)
    if (type === 'bytes') return this.#reader.bytes()
    return readers[type](this.#reader)
  }

  #expect(received: WireType, expected: WireType): void {
    if (received !== expected) throw new Error(`expected wire type ${expected}, got ${received}`)
  }
}

function append(target: Fields, name: string, value: unknown): void {
  const list = target[name]
  if (Array.isArray(list)) list.push(value)
  else target[name] = list instanceof PackedList ? [...list.toArray(), value] : [value]
}

function isScalar(type: ScalarType | MessageName): type is ScalarType {
  return !Object.hasOwn(schema, type)
}

function isNumeric(type: ScalarType): type is NumericType {
  return type !== 'string' && type !== 'bytes'
}
