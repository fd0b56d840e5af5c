import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { mersenne } from 'pure-rand/generator/mersenne'

/**
 * Arrival times of a Poisson process, in microseconds from its start; every call gives the next one. The gaps are
 * exponential with mean 1 / rate, drawn by inverting their distribution: -ln(1 - u) / rate.
 */
export function poissonArrivals(ratePerSecond: number, seed: number): () => number {
  // Its state is spread from the seed: the xor-shift generators begin close to 1 for every small seed.
  const random = mersenne(seed)
  let timeUs = 0
  return () => {
    timeUs -= (Math.log1p(-uniformFloat64(random)) / ratePerSecond) * 1e6
    return timeUs
  }
}
