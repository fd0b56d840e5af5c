import { InputError, type NamedTensor } from '@lowlat/core'
import type { TensorRtEngine } from '../tensorrt/engine.ts'
import type { EngineIo } from './io.ts'

interface Range {
  readonly min: readonly number[]
  readonly max: readonly number[]
}

/** The values that inputs which are shapes may have, by profile. */
export class ShapeValues {
  /** By profile; each by the name of the input. */
  readonly #profiles: readonly ReadonlyMap<string, Range>[]

  /** @throws BackendError. */
  constructor(native: TensorRtEngine, { inputs }: EngineIo) {
    const onHost = inputs.filter(({ onHost }) => onHost)
    this.#profiles = Array.from({ length: onHost.length > 0 ? native.profileCount : 0 }, (_, profile) => {
      const ranges = onHost.map(({ name }) => [name, native.profileValues(name, profile)] as const)
      return new Map(ranges.filter(([, { min }]) => min.length > 0))
    })
  }

  /** @throws InputError SHAPE_OUTSIDE_PROFILE for values that the profile does not hold. */
  check(feeds: readonly NamedTensor[], profile: number): void {
    const ranges = this.#profiles[profile]
    if (!ranges) return
    for (const { name, tensor } of feeds) {
      const range = ranges.get(name)
      if (range) checkRange(name, Array.from(tensor.data, Number), range, profile)
    }
  }
}

function checkRange(name: string, values: readonly number[], { min, max }: Range, profile: number): void {
  if (values.every((value, i) => min[i]! <= value && value <= max[i]!)) return
  throw new InputError('SHAPE_OUTSIDE_PROFILE', {
    message: `The values [${values.join(', ')}] of input '${name}' are outside of profile ${profile}: [${min.join(', ')}] to [${max.join(', ')}].`,
    remedy: 'Pass other values, or widen shapeValues in the backend options when the session is created.',
    expected: { min, max },
    received: values,
  })
}
