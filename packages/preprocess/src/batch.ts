import {
  boundsRules,
  ConfigError,
  checkArgument,
  checkOptions,
  describeValue,
  ImageError,
  type ImageTransform,
  InputError,
  type RequestBounds,
  type Rule,
  type RulesFor,
  Tensor,
  tensorRule,
} from '@lowlat/core'
import type { ImageDecoder } from './decoder.ts'
import type { ImageInput } from './input.ts'
import type { ImageDType } from './options.ts'

export interface DecodeBatchOptions<D extends ImageDType = ImageDType> extends RequestBounds {
  /** A tensor of at least as many rows as images; images go to its first rows. A new tensor is made without it. */
  readonly into?: Tensor<D>
}

export interface DecodedBatch<D extends ImageDType = ImageDType> {
  /** [N, 3, H, W] or [N, H, W, 3], one row per image in their order; a view of `into` where it was given. */
  readonly tensor: Tensor<D>
  readonly transforms: readonly ImageTransform[]
}

const batchRules: RulesFor<DecodeBatchOptions> = { ...boundsRules, into: tensorRule }
const decoderRule: Rule = {
  expected: 'an image decoder',
  accepts: (value) =>
    typeof value === 'object' && value !== null && 'decode' in value && typeof value.decode === 'function',
}

/**
 * Decodes several images into one tensor, each straight into its row, `decoder.concurrency` of them at a time. Rejects
 * with the first error, and only after everything that was begun has ended, so that nothing writes into `into`
 * afterwards; its rows are then undefined.
 * @throws the errors of the decoder, with the image's position in `details.index`; InputError for what is no decoder and
 *   for options that are unknown or of the wrong type; ConfigError CONFIG_INVALID when
 *   the decoder gives every image its own size.
 */
export async function decodeBatch<D extends ImageDType>(
  decoder: ImageDecoder<D>,
  inputs: readonly ImageInput[],
  options: DecodeBatchOptions<D> = {},
): Promise<DecodedBatch<D>> {
  checkArgument('decoder', decoder, decoderRule)
  checkOptions('batch options', options, batchRules)
  if (!Array.isArray(inputs)) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a list of images, got ${describeValue(inputs)}.`,
      remedy: 'Use `decoder.decode` for a single image.',
      received: inputs,
    })
  }
  const { into, ...bounds } = options
  const batch = into ?? Tensor.zeros(decoder.dtype, [inputs.length, ...imageShape(decoder)])
  if ((batch.shape[0] ?? 0) < inputs.length) {
    throw new InputError('INPUT_SHAPE', {
      message: `Expected a tensor of at least ${inputs.length} rows to decode into, got [${batch.shape.join(', ')}].`,
      remedy: 'Allocate the batch for its largest size.',
      expected: inputs.length,
      received: batch.shape,
    })
  }
  const transforms = new Array<ImageTransform>(inputs.length)
  let next = 0
  let failure: { error: unknown } | undefined
  const work = async () => {
    while (next < inputs.length && !failure) {
      const row = next++
      try {
        transforms[row] = (await decoder.decode(inputs[row]!, { ...bounds, out: { tensor: batch, row } })).transform
      } catch (error) {
        failure ??= { error: withIndex(error, row) }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(decoder.concurrency, inputs.length) }, work))
  if (failure) throw failure.error
  return { tensor: batch.rows(0, inputs.length), transforms }
}

function imageShape(decoder: ImageDecoder): readonly number[] {
  if (decoder.shape) return decoder.shape.slice(1)
  throw new ConfigError('CONFIG_INVALID', {
    message: 'Expected image options that give every image the same size, but the size depends on the image.',
    remedy: 'Set `crop`, `letterbox` or `resize: [width, height]`, or pass `into`.',
  })
}

function withIndex(error: unknown, index: number): unknown {
  if (!(error instanceof ImageError || error instanceof InputError)) return error
  const Kind = error instanceof ImageError ? ImageError : InputError
  return new Kind(error.code, {
    message: `Image ${index} of the batch: ${error.message.replace(error.remedy, '').trim()}`,
    remedy: error.remedy,
    expected: error.expected,
    received: error.received,
    details: { ...error.details, index },
    cause: error,
  })
}
