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

/** Fields of a struct for a divisor of that name and how to divide by it: DIVISOR_FIELDS of division.cuh. */
export function divisorFields(name: string): Record<string, 'int32' | 'uint32'> {
  return { [name]: 'int32', [`${name}Multiplier`]: 'uint32', [`${name}Shift`]: 'uint32' }
}

/** What those fields are set to. */
export function divisorArguments(name: string, value: number): Record<string, number> {
  const { multiplier, shift } = divisionBy(value)
  return { [name]: value, [`${name}Multiplier`]: multiplier, [`${name}Shift`]: shift }
}
