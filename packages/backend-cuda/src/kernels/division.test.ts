import { describe, expect, test } from 'vitest'
import { divisionBy } from './division.ts'

function divide(n: number, { multiplier, shift }: { multiplier: number; shift: number }): number {
  const high = Number((BigInt(n) * BigInt(multiplier)) >> 32n)
  return Math.floor((high + n) / 2 ** shift)
}

describe('divisionBy', () => {
  test.each([1, 2, 3, 5, 7, 27, 64, 147, 3136, 12544, 65537, 1_000_003, 2 ** 30 + 1, 2 ** 31 - 1])(
    'divides by %i',
    (divisor) => {
      const division = divisionBy(divisor)
      expect(division.multiplier).toBeLessThan(2 ** 32)
      const around = [
        0,
        1,
        divisor - 1,
        divisor,
        divisor + 1,
        7 * divisor - 1,
        7 * divisor,
        2 ** 31 - 1,
        2 ** 31 - 2,
        123_456_789,
      ]
      for (const n of around.filter((n) => n >= 0 && n < 2 ** 31))
        expect(divide(n, division)).toBe(Math.floor(n / divisor))
    },
  )
})
