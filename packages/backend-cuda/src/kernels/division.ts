/**
 * Multiplier and shift that divide by a constant: n / divisor = (high32(n multiplier) + n) >> shift for 0 <= n < 2^31
 * (Granlund and Montgomery, "Division by Invariant Integers using Multiplication", 1994).
 */
export function divisionBy(divisor: number): { multiplier: number; shift: number } {
  const shift = 32 - Math.clz32(divisor - 1)
  const d = BigInt(divisor)
  const multiplier = Number(((1n << 32n) * ((1n << BigInt(shift)) - d)) / d + 1n)
  return { multiplier, shift }
}

/** The fields `<name>`, `<name>Multiplier` and `<name>Shift`. */
export function divisorArguments(name: string, value: number): Record<string, number> {
  const { multiplier, shift } = divisionBy(value)
  return { [name]: value, [`${name}Multiplier`]: multiplier, [`${name}Shift`]: shift }
}
