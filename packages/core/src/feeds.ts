import type { Feeds, OptimizationProfile, TensorInfo } from './contract.ts'
import { arrayLengthOf } from './dtype.ts'
import { describeValue, InputError } from './errors.ts'
import { checkArgument, namesRule } from './options.ts'
import { describeProfiles, isInsideProfile } from './profiles.ts'
import { Tensor } from './tensor.ts'

const list = (names: readonly string[]) => names.map((name) => `'${name}'`).join(', ')

interface Expectation {
  readonly inputs: readonly TensorInfo[]
  readonly profiles: readonly OptimizationProfile[]
}

/**
 * Checks feeds against the model's inputs and the profiles; cheap enough for every run. Only the object's own enumerable
 * properties count, and each is read once: what is returned are the tensors that were checked, in the model's order,
 * whatever becomes of the caller's object.
 * @throws InputError INPUT_UNKNOWN, INPUT_MISSING, INPUT_DTYPE, INPUT_SHAPE, INPUT_BYTE_LENGTH or
 * SHAPE_OUTSIDE_PROFILE; INVALID_ARGUMENT for what is no tensor.
 */
export function checkFeeds(feeds: Feeds, { inputs, profiles }: Expectation): Feeds {
  if (typeof feeds !== 'object' || feeds === null || feeds instanceof Tensor) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected an object of tensors by input name, got ${feeds instanceof Tensor ? 'a Tensor' : describeValue(feeds)}.`,
      remedy: `Pass { ${inputs.map((input) => `${input.name}: tensor`).join(', ')} }.`,
    })
  }
  const names = Object.keys(feeds)
  for (const [index, name] of names.entries()) {
    if (inputs[index]?.name !== name && !inputs.some((input) => input.name === name)) {
      throw new InputError('INPUT_UNKNOWN', {
        message: `Expected inputs ${list(inputs.map((input) => input.name))}, got '${name}'.`,
        remedy: 'Rename the feed; session.inputs lists the names.',
        expected: inputs.map((input) => input.name),
        received: name,
      })
    }
  }
  // Without a prototype, since inputs may have any name: '__proto__', 'constructor'.
  const checked: Record<string, Tensor> = Object.create(null)
  // Symbolic sizes of the same name must agree over all inputs.
  let symbols: Map<string, { size: number; input: string }> | undefined
  for (const input of inputs) {
    // All names are known and none comes twice: as many as there are inputs are all of them.
    const there = names.length === inputs.length || names.includes(input.name)
    const tensor = there ? feeds[input.name] : undefined
    if (tensor === undefined) {
      throw new InputError('INPUT_MISSING', {
        message: `Expected inputs ${list(inputs.map((info) => info.name))}, but '${input.name}' is missing (got ${names.length}).`,
        remedy: `Pass a ${input.dtype} tensor [${input.shape.join(', ')}] as '${input.name}'.`,
        expected: inputs.map((info) => info.name),
        received: names,
      })
    }
    checkTensor(tensor, input)
    checked[input.name] = tensor
    for (const [axis, dim] of input.shape.entries()) {
      if (typeof dim === 'number') continue
      const size = tensor.shape[axis]!
      symbols ??= new Map()
      const known = symbols.get(dim)
      if (!known) symbols.set(dim, { size, input: input.name })
      else if (known.size !== size) throw symbolMismatch(dim, known, { size, input: input.name })
    }
  }
  if (profiles.length > 0) checkInsideProfile(checked, inputs, profiles)
  return checked
}

function checkTensor(tensor: Tensor, input: TensorInfo): void {
  if (!(tensor instanceof Tensor)) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a Tensor as input '${input.name}', got ${describeValue(tensor)}.`,
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
  checkLength(tensor, input.name)
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

/** Memory can go at any time: checked when a request comes, and again when it has waited and starts. */
export function checkLength(tensor: Tensor, name: string): void {
  const length = arrayLengthOf(tensor.dtype, tensor.size)
  if (tensor.data.length === length) return
  throw new InputError('INPUT_BYTE_LENGTH', {
    message: `Expected ${length} array elements in the tensor for input '${name}', got ${tensor.data.length}: its memory was transferred or resized after the tensor was made.`,
    remedy: 'Pass a tensor over memory that belongs to this thread until the run is over.',
    expected: length,
    received: tensor.data.length,
  })
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

/** @throws InputError SHAPE_OUTSIDE_PROFILE, naming the profiles, where no profile holds all the shapes. */
export function checkInsideProfile(
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

/**
 * The names of the outputs asked for, in an array of our own; undefined for all.
 * @throws InputError INVALID_ARGUMENT for what is no list of names; OUTPUT_UNKNOWN.
 */
export function outputNamesFrom(
  names: readonly string[] | undefined,
  outputs: readonly TensorInfo[],
): readonly string[] | undefined {
  if (names === undefined) return undefined
  checkArgument('outputs', names, namesRule)
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
  return [...names]
}

/**
 * Tells apart what may take differently long on one model: the sizes of the named axes, and the outputs asked for.
 * `feeds` were checked.
 */
export function workKey(feeds: Feeds, inputs: readonly TensorInfo[], outputs: readonly string[] | undefined): string {
  let key = ''
  for (const { name, shape } of inputs) {
    for (let axis = 0; axis < shape.length; axis++) {
      if (typeof shape[axis] === 'string') key += `${feeds[name]!.shape[axis]},`
    }
  }
  return outputs ? `${key}>${outputs.join(',')}` : key
}
