import { checkArgument, type Rule } from '@lowlat/core'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** A seeded generator: the same seed gives the same numbers on every machine. */
export interface Random {
  /** In [0, 1), with 32 random bits. */
  uniform(): number
  /** Whole numbers from 0 to `below` - 1. */
  integer(below: number): number
  /** Waiting times of a Poisson process with this mean. */
  exponential(mean: number): number
  /** Fills `out` with normal values around 0. */
  normals(out: Float32Array, standardDeviation: number): Float32Array
}

export const seedRule: Rule = {
  expected: 'a whole number of 32 bits',
  accepts: (value) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 32,
}

/** Steps until the generator's bits no longer show how alike two seeds are. */
const WARM_UP_STEPS = 64

/**
 * A xoroshiro128+ generator. @param seed a whole number of 32 bits.
 * @throws InputError INVALID_ARGUMENT for any other seed.
 */
export function createRandom(seed: number): Random {
  checkArgument('seed', seed, seedRule)
  const generator = xoroshiro128plus(seed)
  for (let step = 0; step < WARM_UP_STEPS; step++) generator.next()
  const uniform = () => (generator.next() >>> 0) / 2 ** 32
  return {
    uniform,
    integer: (below) => Math.floor(uniform() * below),
    exponential: (mean) => -Math.log(1 - uniform()) * mean,
    normals(out, standardDeviation) {
      const quantiles = normalQuantiles()
      const even = out.length & ~1
      for (let i = 0; i < even; i += 2) {
        const bits = generator.next()
        out[i] = quantiles[bits >>> 16]! * standardDeviation
        out[i + 1] = quantiles[bits & 0xffff]! * standardDeviation
      }
      if (even < out.length) out[even] = quantiles[generator.next() >>> 16]! * standardDeviation
      return out
    },
  }
}

let quantileTable: Float32Array | undefined

/**
 * The normal distribution's quantiles at the middle of 65,536 equal steps (up to 4.3 standard deviations): 16 random
 * bits choose one. Faster than Box-Muller, and without transcendental functions per number, whose last bit differs
 * between machines.
 */
function normalQuantiles(): Float32Array {
  quantileTable ??= Float32Array.from({ length: 65536 }, (_, index) => normalQuantile((index + 0.5) / 65536))
  return quantileTable
}

/** Inverse of the normal distribution function to seven digits, for probabilities above e^-25: AS 241 (Wichura 1988), PPND7. */
function normalQuantile(probability: number): number {
  const q = probability - 0.5
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q
    const numerator = ((59.10937472 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179
    const denominator = ((67.1875636 * r + 78.757757664) * r + 17.895169469) * r + 1
    return (q * numerator) / denominator
  }
  const r = Math.sqrt(-Math.log(Math.min(probability, 1 - probability))) - 1.6
  const numerator = ((0.17023821103 * r + 1.3067284816) * r + 2.75681539) * r + 1.4234372777
  const denominator = (0.12021132975 * r + 0.7370016425) * r + 1
  return (Math.sign(q) * numerator) / denominator
}
