import type { OptimizationProfile, ShapeRange, TensorInfo } from './contract.ts'
import { ConfigError } from './errors.ts'
import type { Shape } from './tensor.ts'

const formatShape = (shape: readonly (number | string)[]) => `[${shape.join(', ')}]`

/** Engines count axes in 32 bits. */
const MAX_AXIS = 2 ** 31 - 1

/**
 * Checks what profiles say by themselves, before anything is compiled for them.
 * @throws ConfigError PROFILE_INVALID when a range is no range: shapes of different rank, min above opt, sizes that no
 * axis can have.
 */
export function checkRanges(profiles: readonly OptimizationProfile[]): void {
  for (const [index, profile] of profiles.entries()) {
    for (const [name, { min, opt, max }] of Object.entries(profile)) {
      const given = `gives '${name}' min ${formatShape(min)}, opt ${formatShape(opt)}, max ${formatShape(max)}`
      if (min.length !== max.length || opt.length !== max.length) {
        throw invalid(index, given, 'all three need the same rank')
      }
      if (!min.every((low, axis) => low <= opt[axis]! && opt[axis]! <= max[axis]!)) {
        throw invalid(index, given, 'every axis needs min <= opt <= max')
      }
      if (max.some((size) => size > MAX_AXIS)) throw invalid(index, given, `an axis has at most ${MAX_AXIS} elements`)
    }
  }
}

/**
 * Checks profiles with valid ranges against a model.
 * @throws ConfigError PROFILE_INVALID when a profile does not fit the model's inputs.
 */
export function checkProfiles(profiles: readonly OptimizationProfile[], inputs: readonly TensorInfo[]): void {
  for (const [index, profile] of profiles.entries()) {
    for (const name of Object.keys(profile)) {
      if (!inputs.some((input) => input.name === name)) {
        throw invalid(
          index,
          `names the input '${name}'`,
          `the inputs are ${inputs.map((i) => `'${i.name}'`).join(', ')}`,
        )
      }
    }
    for (const input of inputs) {
      const range = rangeOf(profile, input.name)
      if (range) checkFit(index, input, range)
      else if (input.shape.some((dim) => typeof dim === 'string')) {
        throw invalid(index, `leaves out '${input.name}'`, `it has run-time sizes: ${formatShape(input.shape)}`)
      }
    }
  }
}

function checkFit(index: number, input: TensorInfo, range: ShapeRange): void {
  for (const bound of ['min', 'opt', 'max'] as const) {
    const shape = range[bound]
    const fits =
      shape.length === input.shape.length &&
      input.shape.every((dim, axis) => typeof dim === 'string' || dim === shape[axis])
    if (fits) continue
    throw invalid(
      index,
      `gives '${input.name}' the ${bound} ${formatShape(shape)}`,
      `the model has ${formatShape(input.shape)}`,
    )
  }
}

/** The range of an input, whatever its name: 'constructor' is one that every object seems to have. */
export function rangeOf(profile: OptimizationProfile, name: string): ShapeRange | undefined {
  return Object.hasOwn(profile, name) ? profile[name] : undefined
}

function invalid(index: number, what: string, why: string): ConfigError {
  return new ConfigError('PROFILE_INVALID', {
    message: `Profile ${index} ${what}, but ${why}.`,
    remedy: "Give min, opt and max for each input with run-time sizes; fixed axes keep the model's size.",
    details: { profile: index },
  })
}

export function isInsideProfile(profile: OptimizationProfile, name: string, shape: Shape): boolean {
  const range = rangeOf(profile, name)
  if (!range) return true
  return shape.every((size, axis) => range.min[axis]! <= size && size <= range.max[axis]!)
}

export function describeProfiles(profiles: readonly OptimizationProfile[], name: string): string {
  return profiles
    .map((profile, index) => {
      const range = rangeOf(profile, name)
      return range
        ? `profile ${index}: ${formatShape(range.min)} to ${formatShape(range.max)}`
        : `profile ${index}: any`
    })
    .join('; ')
}
