/**
 * Formulas of one variable in a normal form, so that GELU is found whatever order an exporter wrote it in: a sum of terms,
 * each a coefficient times factors; constants are multiplied into sums.
 */
export type Sum = readonly Term[]

interface Term {
  readonly coefficient: number
  /** In the order of their keys. */
  readonly factors: readonly Factor[]
}

interface Factor {
  /** 'x', the name of a function, or '' for a sum in parentheses, whose first coefficient is 1. */
  readonly name: string
  /** Empty for x. */
  readonly of: Sum
}

const x: Factor = { name: 'x', of: [] }

export const variable: Sum = [{ coefficient: 1, factors: [x] }]

export const constant = (value: number): Sum => [{ coefficient: value, factors: [] }]

export const call = (name: string, of: Sum): Sum => [{ coefficient: 1, factors: [{ name, of }] }]

export function add(a: Sum, b: Sum): Sum {
  const terms = new Map<string, Term>()
  for (const term of [...a, ...b]) {
    const key = keyOf(term.factors, String)
    const coefficient = (terms.get(key)?.coefficient ?? 0) + term.coefficient
    terms.set(key, { coefficient, factors: term.factors })
  }
  const rest = [...terms.values()].filter(({ coefficient }) => coefficient !== 0)
  return rest.length === 0 ? constant(0) : inOrder(rest, ({ factors }) => shapeOf(factors))
}

export function multiply(a: Sum, b: Sum): Sum {
  const [left, right] = [constantOf(a), constantOf(b)]
  if (left !== undefined) return scale(b, left)
  if (right !== undefined) return scale(a, right)
  const [first, second] = [asTerm(a), asTerm(b)]
  const factors = inOrder([...first.factors, ...second.factors], (factor) => keyOf([factor], String))
  return [{ coefficient: first.coefficient * second.coefficient, factors }]
}

export function power(base: Sum, exponent: number): Sum {
  return exponent === 1 ? base : multiply(base, power(base, exponent - 1))
}

/** max(low, min(high, a)) */
export function clip(a: Sum, low: number, high: number): Sum {
  if (low !== 0 || high <= 0 || !Number.isFinite(high)) return call(`clip ${low} ${high}`, a)
  return scale(call('clip 0 1', scale(a, 1 / high)), high)
}

export function constantOf(sum: Sum): number | undefined {
  return sum.length === 1 && sum[0]!.factors.length === 0 ? sum[0]!.coefficient : undefined
}

/** Whether both are the same but for coefficients that differ by at most `tolerance`, relatively. */
export function isSameSum(a: Sum, b: Sum, tolerance: number): boolean {
  return a.length === b.length && a.every((term, index) => isSameTerm(term, b[index]!, tolerance))
}

function isSameTerm(a: Term, b: Term, tolerance: number): boolean {
  return (
    Math.abs(a.coefficient - b.coefficient) <= tolerance * Math.abs(b.coefficient) &&
    a.factors.length === b.factors.length &&
    a.factors.every(({ name, of }, index) => {
      const other = b.factors[index]!
      return name === other.name && isSameSum(of, other.of, tolerance)
    })
  )
}

function scale(sum: Sum, by: number): Sum {
  return by === 0 ? constant(0) : sum.map((term) => ({ ...term, coefficient: term.coefficient * by }))
}

function asTerm(sum: Sum): Term {
  if (sum.length === 1) return sum[0]!
  const { coefficient } = sum[0]!
  return { coefficient, factors: [{ name: '', of: scale(sum, 1 / coefficient) }] }
}

function keyOf(factors: readonly Factor[], text: (coefficient: number) => string): string {
  const sum = (of: Sum) => of.map((term) => `${text(term.coefficient)} ${keyOf(term.factors, text)}`).join(' + ')
  return factors.map(({ name, of }) => `${name}(${sum(of)})`).join(' ')
}

const shapeOf = (factors: readonly Factor[]) => keyOf(factors, () => '')

function inOrder<T>(list: readonly T[], key: (each: T) => string): T[] {
  return [...list].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
}
