import { ConfigError, InputError, type Tensor } from '@lowlat/core'

/** @throws ConfigError CONFIG_INVALID unless the value fits. */
export function checkOption(name: string, value: unknown, fits: boolean, expected: string): void {
  if (fits) return
  throw new ConfigError('CONFIG_INVALID', {
    message: `Option '${name}': expected ${expected}, got ${String(value)}.`,
    remedy: 'Correct the option.',
    expected,
    received: value,
    details: { option: name },
  })
}

export function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
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

/** @throws InputError INPUT_SHAPE: the tensor is not what the step reads. */
export function shapeError(expected: string, tensor: Tensor, remedy: string): InputError {
  return new InputError('INPUT_SHAPE', {
    message: `Expected ${expected}, got [${tensor.shape.join(', ')}].`,
    remedy,
    expected,
    received: tensor.shape,
  })
}
