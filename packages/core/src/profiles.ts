import type { OptimizationProfile, ShapeRange, TensorInfo } from './contract.ts'
import { ConfigError } from './errors.ts'
import { isShape, type Shape } from './tensor.ts'

const formatShape = (shape: readonly (number | string)[]) => `[${shape.join(', ')}]`

/** @throws ConfigError PROFILE_INVALID when a profile does not fit the model's inputs. */
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
      const range = profile[input.name]
      if (range) checkRange(index, input, range)
      else if (input.shape.some((dim) => typeof dim === 'string')) {
        throw invalid(index, `leaves out '${input.name}'`, `it has run-time sizes: ${formatShape(input.shape)}`)
      }
    }
  }
}

function checkRange(index: number, input: TensorInfo, { min, opt, max }: ShapeRange): void {
  for (const [bound, shape] of Object.entries({ min, opt, max })) {
    const fits =
      isShape(shape) &&
      shape.length === input.shape.length &&
      input.shape.every((dim, axis) => typeof dim === 'string' || dim === shape[axis])
    if (!fits) {
      throw invalid(
        index,
        `gives '${input.name}' the ${bound} ${JSON.stringify(shape)}`,
        `the model has ${formatShape(input.shape)}`,
      )
    }
  }
  if (!min.every((low, axis) => low <= opt[axis]! && opt[axis]! <= max[axis]!)) {
    throw invalid(
      index,
      `gives '${input.name}' min ${formatShape(min)}, opt ${formatShape(opt)}, max ${formatShape(max)}`,
      'every axis needs min <= opt <= max',
    )
  }
}

function invalid(index: number, what: string, why: string): ConfigError {
  return new ConfigError('PROFILE_INVALID', {
    message: `Profile ${index} ${what}, but ${why}.`,
    remedy: "Give min, opt and max for each input with run-time sizes; fixed axes keep the model's size.",
    details: { profile: index },
  })
}

export function isInsideProfile(profile: OptimizationProfile, name: string, shape: Shape): boolean {
  const range = profile[name]
  if (!range) return true
  return shape.every((size, axis) => range.min[axis]! <= size && size <= range.max[axis]!)
}

export function describeProfiles(profiles: readonly OptimizationProfile[], name: string): string {
  return profiles
    .map((profile, index) => {
      const range = profile[name]
      return range
        ? `profile ${index}: ${formatShape(range.min)} to ${formatShape(range.max)}`
        : `profile ${index}: any`
    })
    .join('; ')
}
