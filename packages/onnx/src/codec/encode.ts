import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { checkArgument, InputError, isLowlatError, ModelError, messageOf } from '@lowlat/core'
import { messageRule } from './errors.ts'
import type { Message } from './messages.ts'
import { PackedList } from './packed-list.ts'
import { fieldsOf, type MessageName, type NamedField, type NumericType } from './schema.ts'

/** Protobuf's limit for one message, and what every ONNX reader refuses beyond. */
const MAX_BYTES = 2 ** 31 - 1
/** Larger pieces are kept aside and copied once, into the result; smaller ones are copied along with their message. */
const LARGE_BYTES = 1024

/**
 * Encodes one message: known fields by ascending number, then the unknown ones. Weights are copied once, into the
 * result. A message from {@link decode} gives the same bytes again if they were written in this order (as protobuf's
 * own writers do) and without redundant encodings.
 * @throws InputError INVALID_ARGUMENT for what is no message, and for a value that does not fit its field; ModelError MODEL_UNSUPPORTED beyond the
 * 2 GiB that protobuf allows.
 */
export function encode<M extends MessageName>(name: M, message: Message<M>): Uint8Array<ArrayBuffer> {
  const pieces = encodePieces(name, message)
  const result = new Uint8Array(pieces.length)
  let at = 0
  for (const piece of pieces.list) {
    result.set(piece, at)
    at += piece.length
  }
  return result
}

/** As {@link encode}, as pieces that follow each other; weights are not copied. `length` is in bytes. */
export function encodePieces<M extends MessageName>(
  name: M,
  message: Message<M>,
): { readonly list: readonly Uint8Array[]; readonly length: number } {
  checkArgument('message', message, messageRule)
  const pieces = piecesOf(name, message)
  if (pieces.length <= MAX_BYTES) return pieces
  throw new ModelError('MODEL_UNSUPPORTED', {
    message: `Expected at most ${MAX_BYTES} bytes, which is protobuf's limit for a file, got ${pieces.length}.`,
    remedy: 'Keep weights in another file: saveGraph(graph, path, { externalData: { fileName } }).',
    expected: MAX_BYTES,
    received: pieces.length,
  })
}

/** What was written so far: small values through the protobuf writer, large ones by reference. */
class Pieces {
  readonly list: Uint8Array[] = []
  length = 0
  #writer: BinaryWriter | undefined

  get writer(): BinaryWriter {
    this.#writer ??= new BinaryWriter()
    return this.#writer
  }

  /** Raw bytes, without a length before them. */
  raw(bytes: Uint8Array): void {
    if (bytes.length <= LARGE_BYTES) {
      this.writer.raw(bytes)
      return
    }
    this.flush()
    this.#push(bytes)
  }

  lengthDelimited(number: number, bytes: Uint8Array): void {
    this.writer.tag(number, WireType.LengthDelimited).uint32(bytes.length)
    this.raw(bytes)
  }

  message(number: number, child: Pieces): void {
    this.writer.tag(number, WireType.LengthDelimited).uint32(child.length)
    for (const piece of child.list) this.raw(piece)
  }

  flush(): this {
    if (this.#writer) this.#push(this.#writer.finish())
    this.#writer = undefined
    return this
  }

  #push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.list.push(bytes)
    this.length += bytes.length
  }
}

function piecesOf(name: MessageName, message: Readonly<Record<string, unknown>>): Pieces {
  const pieces = new Pieces()
  for (const field of fieldsOf[name]) {
    const value = message[field.name]
    if (value === undefined) continue
    try {
      write(pieces, field, value)
    } catch (cause) {
      if (isLowlatError(cause)) throw cause
      throw new InputError('INVALID_ARGUMENT', {
        message: `Cannot write ${name}.${field.name}: ${messageOf(cause)}.`,
        remedy: `Expected a value for protobuf's ${field.type}.`,
        expected: field.type,
        received: value,
        cause,
      })
    }
  }
  for (const unknown of (message as Message<MessageName>).unknownFields ?? []) pieces.raw(unknown)
  return pieces.flush()
}

function write(pieces: Pieces, field: NamedField, value: unknown): void {
  const { number, packed, repeated } = field
  const type = field.type
  if (value instanceof PackedList) {
    pieces.lengthDelimited(number, value.bytes)
  } else if (packed) {
    const { writer } = pieces
    const values = value as readonly unknown[]
    if (values.length === 0) return
    writer.tag(number, WireType.LengthDelimited).fork()
    for (const element of values) writers[type as NumericType].write(writer, element as number & bigint)
    writer.join()
  } else {
    for (const element of repeated ? (value as readonly unknown[]) : [value]) writeOne(pieces, number, type, element)
  }
}

function writeOne(pieces: Pieces, number: number, type: NamedField['type'], value: unknown): void {
  switch (type) {
    case 'string':
      pieces.writer.tag(number, WireType.LengthDelimited).string(value as string)
      return
    case 'bytes':
      pieces.lengthDelimited(number, value as Uint8Array)
      return
    case 'int32':
    case 'int64':
    case 'uint64':
    case 'float':
    case 'double':
      writers[type].write(pieces.writer.tag(number, writers[type].wireType), value as number & bigint)
      return
    default:
      pieces.message(number, piecesOf(type, value as Readonly<Record<string, unknown>>))
  }
}

interface NumberWriter {
  readonly wireType: WireType
  write(writer: BinaryWriter, value: number & bigint): void
}

const writers: { readonly [T in NumericType]: NumberWriter } = {
  int32: { wireType: WireType.Varint, write: (writer, value) => void writer.int32(value) },
  int64: { wireType: WireType.Varint, write: (writer, value) => void writer.int64(value) },
  uint64: { wireType: WireType.Varint, write: (writer, value) => void writer.uint64(value) },
  float: { wireType: WireType.Bit32, write: (writer, value) => void writer.float(value) },
  double: { wireType: WireType.Bit64, write: (writer, value) => void writer.double(value) },
}
