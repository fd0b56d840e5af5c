import {
  ConfigError,
  checkProfiles,
  type Dim,
  type OptimizationProfile,
  type ShapeRange,
  type TensorInfo,
} from '@lowlat/core'
import type { ProfileRange } from '../native.ts'
import type { AxisRange, TrtOptions } from '../options.ts'

type RangeOptions = Pick<TrtOptions, 'defaultRange' | 'axisRanges'>

/**
 * The profiles that an engine is built for: the given ones, or else one of the ranges in the options. None for a model of
 * fixed shapes.
 * @throws ConfigError PROFILE_INVALID for profiles that do not fit the model; for axes without a range, with the profile
 * to give.
 */
export function profilesFor(
  inputs: readonly TensorInfo[],
  given: readonly OptimizationProfile[],
  options: RangeOptions,
): readonly OptimizationProfile[] {
  if (given.length > 0) {
    checkProfiles(given, inputs)
    return given
  }
  if (inputs.every(({ shape }) => shape.every(isFixed))) return []
  const ranges = new Map<string, AxisRange>()
  for (const { shape } of inputs) if (typeof shape[0] === 'string') ranges.set(shape[0], options.defaultRange)
  for (const [name, range] of Object.entries(options.axisRanges)) ranges.set(name, range)
  checkKnown(inputs, Object.keys(options.axisRanges))
  const without = inputs.flatMap(({ shape }) => shape.filter((dim) => !isFixed(dim) && !ranges.has(dim)))
  if (without.length > 0) throw noRange(inputs, [...new Set(without.map(String))], ranges)
  return [profileOf(inputs, (dim) => ranges.get(dim)!)]
}

const isFixed = (dim: Dim): dim is number => typeof dim === 'number'

function profileOf(inputs: readonly TensorInfo[], rangeOf: (dim: string) => AxisRange): OptimizationProfile {
  const dynamic = inputs.filter(({ shape }) => !shape.every(isFixed))
  const at = (shape: readonly Dim[], bound: keyof AxisRange) =>
    shape.map((dim) => (isFixed(dim) ? dim : rangeOf(dim)[bound]))
  return Object.fromEntries(
    dynamic.map(({ name, shape }): [string, ShapeRange] => [
      name,
      { min: at(shape, 'min'), opt: at(shape, 'opt'), max: at(shape, 'max') },
    ]),
  )
}

function checkKnown(inputs: readonly TensorInfo[], names: readonly string[]): void {
  const known = [...new Set(inputs.flatMap(({ shape }) => shape.filter((dim) => !isFixed(dim))))]
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  throw new ConfigError('CONFIG_INVALID', {
    message: `Expected names of axes in axisRanges, got ${quoted(unknown)}.`,
    remedy: `The inputs have the axes ${quoted(known.map(String))}.`,
    expected: known,
    received: unknown,
  })
}

/** Sizes are guessed for nobody: the profile is written out, to be filled in. */
function noRange(
  inputs: readonly TensorInfo[],
  without: readonly string[],
  ranges: ReadonlyMap<string, AxisRange>,
): ConfigError {
  const profile = profileOf(inputs, (dim) => ranges.get(dim) ?? { min: 1, opt: 224, max: 512 })
  return new ConfigError('PROFILE_INVALID', {
    message: `Expected ranges for the run-time sizes ${quoted(without)}, which TensorRT has to know when it builds an engine.`,
    remedy: `Say what will be asked for, with numbers of your own: profiles: [${JSON.stringify(profile)}].`,
    expected: without,
    details: { profile },
  })
}

const quoted = (names: readonly string[]) => names.map((name) => `'${name}'`).join(', ')

/** Profiles for the builder: with the values of inputs that are shapes themselves. */
export function nativeProfiles(
  inputs: readonly TensorInfo[],
  profiles: readonly OptimizationProfile[],
  shapeValues: TrtOptions['shapeValues'],
): Readonly<Record<string, ProfileRange>>[] {
  const values = Object.entries(shapeValues)
  for (const [name] of values) {
    if (inputs.some((input) => input.name === name)) continue
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected names of inputs in shapeValues, got '${name}'.`,
      remedy: `The inputs are ${quoted(inputs.map((input) => input.name))}.`,
      received: name,
    })
  }
  if (values.length === 0) return profiles.map((profile) => ({ ...profile }))
  const withValues = Object.fromEntries(values.map(([name, range]) => [name, { ...range, values: true }]))
  return (profiles.length > 0 ? profiles : [{}]).map((profile) => ({ ...profile, ...withValues }))
}
