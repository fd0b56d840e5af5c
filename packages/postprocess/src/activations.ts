import { checkOptions, InputError, invalidConfig, type RulesFor, type Stage, Tensor } from '@lowlat/core'
import { checkTensor } from './check.ts'

export interface SoftmaxOptions {
  /** Axis along which the values sum to 1; negative counts from the end. Default -1. */
  readonly axis?: number
}

const softmaxRules: RulesFor<SoftmaxOptions> = {
  axis: { expected: 'an integer', accepts: Number.isSafeInteger },
}

/**
 * exp(x - max) / sum(exp(x - max)) along an axis, which cannot overflow for finite values. Any real dtype; new memory.
 * A NaN, or +Infinity, makes its whole slice NaN.
 * @throws InputError INVALID_ARGUMENT for what is no tensor, and when there is no such axis; ConfigError CONFIG_INVALID for
 *   bad options.
 */
export function softmax(tensor: Tensor, options: SoftmaxOptions = {}): Tensor<'float32'> {
  checkTensor(tensor)
  checkOptions('softmax options', options, softmaxRules, invalidConfig)
  const { axis = -1 } = options
  const { shape } = tensor
  const at = axis < 0 ? axis + shape.length : axis
  const length = shape[at]
  if (length === undefined) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected an axis of [${shape.join(', ')}], got ${axis}.`,
      remedy: `Pass an integer from ${-shape.length} to ${shape.length - 1}; a scalar has no axis.`,
      received: axis,
    })
  }
  const values = tensor.toFloat32()
  const out = new Float32Array(values.length)
  let inner = 1
  for (const dim of shape.slice(at + 1)) inner *= dim
  // [outer, length, inner]: one slice per outer and inner index, its elements `inner` apart.
  for (let block = 0; block < values.length; block += length * inner) {
    for (let start = block; start < block + inner; start++) softmaxSlice(values, out, start, length, inner)
  }
  return new Tensor('float32', shape, out)
}

function softmaxSlice(values: Float32Array, out: Float32Array, start: number, length: number, step: number): void {
  const end = start + length * step
  let max = Number.NEGATIVE_INFINITY
  for (let i = start; i < end; i += step) max = Math.max(max, values[i]!)
  let sum = 0
  for (let i = start; i < end; i += step) {
    const exponential = Math.exp(values[i]! - max)
    out[i] = exponential
    sum += exponential
  }
  for (let i = start; i < end; i += step) out[i] = out[i]! / sum
}

/**
 * 1 / (1 + exp(-x)) of every element; any real dtype, new memory.
 * @throws InputError INVALID_ARGUMENT for what is no tensor.
 */
export function sigmoid(tensor: Tensor): Tensor<'float32'> {
  checkTensor(tensor)
  return new Tensor(
    'float32',
    tensor.shape,
    tensor.toFloat32().map((value) => 1 / (1 + Math.exp(-value))),
  )
}

/** {@link softmax} as a pipeline stage. @throws ConfigError CONFIG_INVALID at once for bad options. */
export function softmaxStage(options: SoftmaxOptions = {}): Stage<Tensor, Tensor<'float32'>> {
  checkOptions('softmax options', options, softmaxRules, invalidConfig)
  return { name: 'softmax', segment: 'postprocess', run: (tensor) => softmax(tensor, options) }
}

/** {@link sigmoid} as a pipeline stage. */
export function sigmoidStage(): Stage<Tensor, Tensor<'float32'>> {
  return { name: 'sigmoid', segment: 'postprocess', run: sigmoid }
}
