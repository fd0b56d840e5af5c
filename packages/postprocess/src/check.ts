import {
  ConfigError,
  checkArgument,
  describeValue,
  type Fetches,
  type ImageTransform,
  InputError,
  imageTransform,
  integerRule,
  listRule,
  nameRule,
  type RequestContext,
  type Rule,
  Tensor,
} from '@lowlat/core'

export const countRule = integerRule(1)
export const fractionRule: Rule = {
  expected: 'a number from 0 to 1',
  accepts: (value) => typeof value === 'number' && value >= 0 && value <= 1,
}
export const labelsRule = listRule(nameRule)
export const numbersRule: Rule = {
  expected: 'a list or typed array of numbers',
  accepts: (value) => isRecord(value) && Number.isSafeInteger(value.length),
}
/** A list of at least one member that each follow the rule. */
export function someRule(rule: Rule): Rule {
  const list = listRule(rule)
  return {
    expected: `a list of at least one, each ${rule.expected}`,
    accepts: (value) => list.accepts(value) && (value as unknown[]).length > 0,
  }
}

const placement: readonly (keyof ImageTransform)[] = [
  'sourceWidth',
  'sourceHeight',
  'targetWidth',
  'targetHeight',
  'scaleX',
  'scaleY',
  'offsetX',
  'offsetY',
]
const transformsRule = listRule({
  expected: 'an image transform',
  accepts: (value) => isRecord(value) && placement.every((name) => Number.isFinite(value[name])),
})
const contextRule: Rule = {
  expected: 'a RequestContext',
  accepts: (value) => isRecord(value) && typeof value.require === 'function',
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** @throws ConfigError CONFIG_INVALID when there are labels, but not one per class. */
export function checkLabels(labels: readonly string[] | undefined, classes: number): void {
  if (!labels || labels.length === classes) return
  throw new ConfigError('CONFIG_INVALID', {
    message: `Expected ${classes} labels, one per class of the model, got ${labels.length}.`,
    remedy: 'Use the labels that the model was trained with; some models have a background class at 0 that needs one.',
    expected: classes,
    received: labels.length,
  })
}

/** @throws InputError INVALID_ARGUMENT for what is no tensor, such as all outputs of a run. */
export function checkTensor(value: unknown): asserts value is Tensor {
  if (value instanceof Tensor) return
  const [name] = isFetches(value) ? Object.keys(value) : []
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected a Tensor, got ${name === undefined ? describeValue(value) : `the outputs of a run by name: ${Object.keys(value as Fetches).join(', ')}`}.`,
    remedy:
      name === undefined
        ? 'Pass an output of the model, such as infer(session) gives.'
        : `Pass one of them, fetches[${describeValue(name)}], or put infer(session, { output: ${describeValue(name)} }) before this stage.`,
    received: value,
  })
}

function isFetches(value: unknown): value is Fetches {
  return isRecord(value) && Object.values(value).every((output) => output instanceof Tensor)
}

/** @throws InputError INVALID_ARGUMENT for what is no object of outputs by name. */
export function checkFetches(value: unknown): asserts value is Fetches {
  if (isFetches(value) && !(value instanceof Tensor)) return
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected the outputs of a run by name, got ${value instanceof Tensor ? 'a Tensor' : describeValue(value)}.`,
    remedy: 'Put inferFeeds(session) before this stage, or pass what session.run gives.',
    received: value,
  })
}

/** @throws InputError INVALID_ARGUMENT unless there is one transform per row. */
export function checkTransforms(output: Tensor, transforms: readonly ImageTransform[]): void {
  checkArgument('transforms', transforms, transformsRule)
  if (output.shape[0] === transforms.length) return
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected ${output.shape[0]} image transforms, one per row of [${output.shape.join(', ')}], got ${transforms.length}.`,
    remedy: 'Pass the transforms that decoding the batch returned, in the same order.',
    expected: output.shape[0],
    received: transforms.length,
  })
}

/** How the request's image was placed. @throws InputError INVALID_ARGUMENT where no stage has left that. */
export function transformOf(context: RequestContext): ImageTransform {
  checkArgument('context', context, contextRule)
  return context.require(imageTransform, 'Begin the pipeline with decodeImage, which attaches it.')
}

/** @throws InputError INPUT_SHAPE: the tensor is not what the step reads. */
export function shapeError(expected: string, tensor: Tensor, remedy: string): InputError {
  return new InputError('INPUT_SHAPE', {
    message: `Expected ${expected}, got [${tensor.shape.join(', ')}].`,
    remedy,
    expected,
    received: tensor.shape,
  })
}
