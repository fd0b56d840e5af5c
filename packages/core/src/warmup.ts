import type { Dim, Feeds, OptimizationProfile, TensorInfo } from './contract.ts'
import type { Session } from './session.ts'
import { type Shape, Tensor } from './tensor.ts'

/** Short runs are repeated, so that caches and clocks settle and an engine sees steady times. */
const MAX_RUNS = 20
const ENOUGH_US = 5_000

/**
 * Runs every profile at `opt` and at `max` on zeros, in every context. Without profiles it runs the model's fixed
 * shapes, with size 1 for a named first axis (the batch); models with other named axes are left cold, since nothing
 * says which sizes will be asked for.
 *
 * @returns whether the largest shapes that can be asked for were among those that ran.
 */
export async function warmUp(session: Session): Promise<boolean> {
  const { inputs, profiles, clock, stats } = session
  const done = new Set<string>()
  for (const shapeOf of warmupShapes(inputs, profiles)) {
    const feeds: Feeds = Object.fromEntries(inputs.map((info) => [info.name, Tensor.zeros(info.dtype, shapeOf(info))]))
    const key = JSON.stringify(inputs.map((info) => feeds[info.name]!.shape))
    if (done.has(key)) continue
    done.add(key)
    const startUs = clock.nowUs()
    for (let run = 0; run < MAX_RUNS && (run === 0 || clock.nowUs() - startUs < ENOUGH_US); run++) {
      await Promise.all(Array.from({ length: stats.contexts }, () => session.run(feeds)))
    }
  }
  return profiles.length > 0 || inputs.every((info) => info.shape.every(isFixed))
}

type ShapeOf = (input: TensorInfo) => Shape

function warmupShapes(inputs: readonly TensorInfo[], profiles: readonly OptimizationProfile[]): ShapeOf[] {
  const at =
    (profile: OptimizationProfile, bound: 'opt' | 'max'): ShapeOf =>
    (input) =>
      profile[input.name]?.[bound] ?? input.shape.filter(isFixed)
  if (profiles.length > 0) return profiles.flatMap((profile) => [at(profile, 'opt'), at(profile, 'max')])
  const onlyBatchOpen = inputs.every((input) => input.shape.slice(1).every(isFixed))
  return onlyBatchOpen ? [(input) => input.shape.map((dim) => (isFixed(dim) ? dim : 1))] : []
}

const isFixed = (dim: Dim): dim is number => typeof dim === 'number'
