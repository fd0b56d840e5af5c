import fc from 'fast-check'

/** One or more damages to a file: bytes overwritten, cut out, repeated or put in, and the end cut off. */
export function mutationOf(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat({ max: bytes.length })
  const inserted = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 12 }),
    // Lengths and numbers at the limits: the largest varint, 4 GiB - 1, 2 GiB.
    fc.constantFrom(
      Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 255, 1),
      Uint8Array.of(255, 255, 255, 255, 15),
      Uint8Array.of(128, 128, 128, 128, 8),
    ),
  )
  const damage = fc.oneof(
    fc.record({ at, length: fc.constant(1), inserted: fc.uint8Array({ minLength: 1, maxLength: 1 }) }),
    fc.record({ at, length: fc.nat({ max: 16 }), inserted }),
    fc.record({ at, length: fc.nat({ max: 64 }), inserted: fc.constant(new Uint8Array()) }),
    fc.record({ at, length: fc.constant(bytes.length), inserted: fc.constant(new Uint8Array()) }),
    fc.tuple(at, at).map(([from, to]) => ({ at: to, length: 0, inserted: bytes.slice(from, from + 200) })),
  )
  return fc.array(damage, { minLength: 1, maxLength: 4 }).map((damages) => damages.reduce(splice, bytes))
}

function splice(bytes: Uint8Array, damage: { at: number; length: number; inserted: Uint8Array }): Uint8Array {
  const start = Math.min(damage.at, bytes.length)
  const rest = bytes.subarray(start + damage.length)
  const result = new Uint8Array(start + damage.inserted.length + rest.length)
  result.set(bytes.subarray(0, start))
  result.set(damage.inserted, start)
  result.set(rest, start + damage.inserted.length)
  return result
}
