import fc from 'fast-check'
import type { Message } from '../codec/messages.ts'
import { fieldsOf, type MessageName, type NamedField } from '../codec/schema.ts'

const scalars = {
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  float: fc.float({ noNaN: true }),
  double: fc.double({ noNaN: true }),
  string: fc.string({ unit: 'grapheme', maxLength: 40 }),
  bytes: fc.uint8Array({ maxLength: 40 }),
} as const

/** Fields of every wire type under a number that ONNX does not use: varint, 64-bit, bytes, a nested group, 32-bit. */
export const unknownFields: readonly Uint8Array[] = [
  Uint8Array.of(0xc0, 0x3e, 0x96, 0x01),
  Uint8Array.of(0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8),
  Uint8Array.of(0xc2, 0x3e, 0x03, 0x61, 0x62, 0x63),
  Uint8Array.of(0xc3, 0x3e, 0xcb, 0x3e, 0x08, 0x01, 0xcc, 0x3e, 0xc4, 0x3e),
  Uint8Array.of(0xc5, 0x3e, 9, 8, 7, 6),
]

/** Any message of this type, with any subset of its fields and messages inside it to the given depth. */
export function arbitraryMessage<M extends MessageName>(name: M, depth: number): fc.Arbitrary<Message<M>> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {
    unknownFields: fc.shuffledSubarray([...unknownFields], { minLength: 1 }),
  }
  for (const field of fieldsOf[name]) {
    const value = arbitraryField(field, depth)
    if (value) fields[field.name] = value
  }
  return fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Message<M>>
}

function arbitraryField({ type, repeated }: NamedField, depth: number): fc.Arbitrary<unknown> | undefined {
  if (!(type in scalars) && depth === 0) return undefined
  const one: fc.Arbitrary<unknown> =
    type in scalars ? scalars[type as keyof typeof scalars] : arbitraryMessage(type as MessageName, depth - 1)
  return repeated ? fc.array(one, { minLength: 1, maxLength: 3 }) : one
}
