import type { Dim, OptimizationProfile, Shape, TensorInfo } from '@lowlat/core'

export type InputShapes = Readonly<Record<string, Shape>>

const isFixed = (dim: Dim): dim is number => typeof dim === 'number'

/**
 * Shapes that are going to run: every profile at these bounds, or the model's fixed shapes, with size 1 for a named first
 * axis (the batch). None for a model with other named axes and no profile.
 */
export function knownShapes(
  inputs: readonly TensorInfo[],
  profiles: readonly OptimizationProfile[],
  bounds: readonly ('min' | 'opt' | 'max')[],
): InputShapes[] {
  if (profiles.length > 0) {
    return distinct(profiles.flatMap((profile) => bounds.map((bound) => shapesOfProfile(inputs, profile, bound))))
  }
  return inputs.every(({ shape }) => shape.slice(1).every(isFixed)) ? [withSizes(inputs, () => 1)] : []
}

function shapesOfProfile(inputs: readonly TensorInfo[], profile: OptimizationProfile, bound: 'min' | 'opt' | 'max') {
  return Object.fromEntries(
    inputs.map(({ name, shape }) => {
      const range = Object.hasOwn(profile, name) ? profile[name] : undefined
      return [name, range?.[bound] ?? shape.filter(isFixed)]
    }),
  )
}

/**
 * Shapes to pack weights for where nothing says what is going to run: how weights are packed does not depend on sizes,
 * but a size that no layer takes would hide layers from the packing.
 */
export function guessedShapes(inputs: readonly TensorInfo[]): InputShapes[] {
  return distinct([
    withSizes(inputs, (axis) => (axis === 0 ? 1 : 64)),
    withSizes(inputs, (axis) => (axis < 2 ? 1 : 224)),
    withSizes(inputs, (axis) => (axis === 0 ? 1 : 512)),
    withSizes(inputs, () => 1),
  ])
}

/** Axes of the same name have the same size: that of the first one. */
function withSizes(inputs: readonly TensorInfo[], sizeOf: (axis: number) => number): InputShapes {
  const sizes = new Map<string, number>()
  return Object.fromEntries(
    inputs.map(({ name, shape }) => [
      name,
      shape.map((dim, axis) => {
        if (isFixed(dim)) return dim
        const size = sizes.get(dim) ?? sizeOf(axis)
        sizes.set(dim, size)
        return size
      }),
    ]),
  )
}

function distinct(shapes: readonly InputShapes[]): InputShapes[] {
  return [...new Map(shapes.map((one) => [JSON.stringify(one), one])).values()]
}
