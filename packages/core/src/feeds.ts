import type { Feeds, OptimizationProfile, TensorInfo } from './contract.ts'
import { arrayLengthOf } from './dtype.ts'
import { InputError } from './errors.ts'
import { describeProfiles, isInsideProfile } from './profiles.ts'
import { Tensor } from './tensor.ts'

const list = (names: readonly string[]) => names.map((name) => `'${name}'`).join(', ')

interface Expectation {
  readonly inputs: readonly TensorInfo[]
  readonly profiles: readonly OptimizationProfile[]
}

/**
 * Checks feeds against the model's inputs and the profiles; cheap enough for every run.
 * @throws InputError INPUT_UNKNOWN, INPUT_MISSING, INPUT_DTYPE, INPUT_SHAPE, INPUT_BYTE_LENGTH or
 * SHAPE_OUTSIDE_PROFILE; INVALID_ARGUMENT for what is no tensor.
 */
export function checkFeeds(feeds: Feeds, { inputs, profiles }: Expectation): void {
  if (typeof feeds !== 'object' || feeds === null || feeds instanceof Tensor) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected an object of tensors by input name, got ${feeds instanceof Tensor ? 'a Tensor' : String(feeds)}.`,
      remedy: `Pass { ${inputs.map((input) => `${input.name}: tensor`).join(', ')} }.`,
    })
  }
  let count = 0
  for (const name in feeds) {
    count++
    if (!inputs.some((input) => input.name === name)) {
      throw new InputError('INPUT_UNKNOWN', {
        message: `Expected inputs ${list(inputs.map((input) => input.name))}, got '${name}'.`,
        remedy: 'Rename the feed; session.inputs lists the names.',
        expected: inputs.map((input) => input.name),
        received: name,
      })
    }
  }
  // Symbolic sizes of the same name must agree over all inputs.
  let symbols: Map<string, { size: number; input: string }> | undefined
  for (const input of inputs) {
    const tensor = feeds[input.name]
    if (tensor === undefined) {
      throw new InputError('INPUT_MISSING', {
        message: `Expected inputs ${list(inputs.map((info) => info.name))}, but '${input.name}' is missing (got ${count}).`,
        remedy: `Pass a ${input.dtype} tensor [${input.shape.join(', ')}] as '${input.name}'.`,
        expected: inputs.map((info) => info.name),
        received: Object.keys(feeds),
      })
    }
    checkTensor(tensor, input)
    for (const [axis, dim] of input.shape.entries()) {
      if (typeof dim === 'number') continue
      const size = tensor.shape[axis]!
      symbols ??= new Map()
      const known = symbols.get(dim)
      if (!known) symbols.set(dim, { size, input: input.name })
      else if (known.size !== size) throw symbolMismatch(dim, known, { size, input: input.name })
    }
  }
  if (profiles.length > 0) checkInsideProfile(feeds, inputs, profiles)
}

function checkTensor(tensor: Tensor, input: TensorInfo): void {
  if (!(tensor instanceof Tensor)) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a Tensor as input '${input.name}', got ${tensor === null ? 'null' : typeof tensor}.`,
      remedy: `Wrap the data: new Tensor('${input.dtype}', [${input.shape.join(', ')}], data).`,
      received: tensor,
    })
  }
  if (tensor.dtype !== input.dtype) {
    throw new InputError('INPUT_DTYPE', {
      message: `Expected ${input.dtype} for input '${input.name}', got ${tensor.dtype}.`,
      remedy: `Convert the data to ${input.dtype} before the run.`,
      expected: input.dtype,
      received: tensor.dtype,
    })
  }
  const length = arrayLengthOf(tensor.dtype, tensor.size)
  if (tensor.data.length !== length) {
    throw new InputError('INPUT_BYTE_LENGTH', {
      message: `Expected ${length} array elements in the tensor for input '${input.name}', got ${tensor.data.length}: its memory was transferred or resized after the tensor was made.`,
      remedy: 'Pass a tensor over memory that still belongs to this thread.',
      expected: length,
      received: tensor.data.length,
    })
  }
  const { shape } = tensor
  const fits =
    shape.length === input.shape.length &&
    input.shape.every((dim, axis) => typeof dim === 'string' || dim === shape[axis])
  if (!fits) {
    throw new InputError('INPUT_SHAPE', {
      message: `Expected shape [${input.shape.join(', ')}] for input '${input.name}', got [${shape.join(', ')}].`,
      remedy: 'Resize, crop or reshape the data; named axes take any size.',
      expected: input.shape,
      received: shape,
    })
  }
}

function symbolMismatch(
  dim: string,
  a: { size: number; input: string },
  b: { size: number; input: string },
): InputError {
  return new InputError('INPUT_SHAPE', {
    message: `Expected one size for the axis '${dim}', got ${a.size} in '${a.input}' and ${b.size} in '${b.input}'.`,
    remedy: 'Axes of the same name must have the same size in every input.',
    expected: a.size,
    received: b.size,
  })
}

function checkInsideProfile(
  feeds: Feeds,
  inputs: readonly TensorInfo[],
  profiles: readonly OptimizationProfile[],
): void {
  if (profileFor(feeds, inputs, profiles) !== -1) return
  const outside = inputs.find(
    (input) => !profiles.some((profile) => isInsideProfile(profile, input.name, feeds[input.name]!.shape)),
  )
  if (!outside) {
    const shapes = inputs.map(({ name }) => `'${name}' [${feeds[name]!.shape.join(', ')}]`)
    throw new InputError('SHAPE_OUTSIDE_PROFILE', {
      message: `No single profile holds the shapes ${shapes.join(', ')} together (${inputs.map(({ name }) => `'${name}': ${describeProfiles(profiles, name)}`).join('; ')}).`,
      remedy: 'Resize the inputs, or add a profile that covers the combination when the session is created.',
      expected: profiles,
      received: Object.fromEntries(inputs.map(({ name }) => [name, feeds[name]!.shape])),
    })
  }
  const { shape } = feeds[outside.name]!
  throw new InputError('SHAPE_OUTSIDE_PROFILE', {
    message: `Shape [${shape.join(', ')}] of input '${outside.name}' is inside no profile (${describeProfiles(profiles, outside.name)}).`,
    remedy: 'Resize the input, or add a profile that covers the shape when the session is created.',
    expected: profiles.map((profile) => profile[outside.name]),
    received: shape,
  })
}

/** Index of the first profile that every input fits into; -1 when there is none. */
export function profileFor(
  feeds: Feeds,
  inputs: readonly TensorInfo[],
  profiles: readonly OptimizationProfile[],
): number {
  return profiles.findIndex((profile) =>
    inputs.every((input) => isInsideProfile(profile, input.name, feeds[input.name]!.shape)),
  )
}

/** @throws InputError OUTPUT_UNKNOWN. */
export function checkOutputNames(names: readonly string[], outputs: readonly TensorInfo[]): void {
  for (const name of names) {
    if (!outputs.some((output) => output.name === name)) {
      throw new InputError('OUTPUT_UNKNOWN', {
        message: `Expected outputs among ${list(outputs.map((output) => output.name))}, got '${name}'.`,
        remedy: 'Ask for outputs by the names in session.outputs, or leave `outputs` out for all.',
        expected: outputs.map((output) => output.name),
        received: name,
      })
    }
  }
}
