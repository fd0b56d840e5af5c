import {
  checkInsideProfile,
  type Feeds,
  isInsideProfile,
  type OptimizationProfile,
  type TensorInfo,
} from '@lowlat/core'

/** Which profile serves a run: among those that hold its shapes, the one with the smallest shapes at most. */
export class ProfileChoice {
  readonly #inputs: readonly TensorInfo[]
  readonly #profiles: readonly OptimizationProfile[]
  /** Indices, smallest first. */
  readonly #order: readonly number[]

  constructor(inputs: readonly TensorInfo[], profiles: readonly OptimizationProfile[]) {
    this.#inputs = inputs
    this.#profiles = profiles
    const volumes = profiles.map(volumeOf)
    this.#order = [...profiles.keys()].sort((a, b) => volumes[a]! - volumes[b]!)
  }

  /**
   * Its index; 0 for an engine of fixed shapes, which has one profile that nobody named.
   * @throws InputError SHAPE_OUTSIDE_PROFILE, naming the profiles.
   */
  indexFor(feeds: Feeds): number {
    if (this.#profiles.length === 0) return 0
    const index = this.#order.find((candidate) => {
      const profile = this.#profiles[candidate]!
      return this.#inputs.every(({ name }) => isInsideProfile(profile, name, feeds[name]!.shape))
    })
    if (index === undefined) checkInsideProfile(feeds, this.#inputs, this.#profiles)
    return index!
  }
}

/** Elements of all inputs at their largest. */
function volumeOf(profile: OptimizationProfile): number {
  return Object.values(profile).reduce((sum, { max }) => sum + max.reduce((product, size) => product * size, 1), 0)
}
