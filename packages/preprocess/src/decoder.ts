import { AbortError, type ImageTransform, InputError, type Shape, sameShape, Tensor } from '@lowlat/core'
import { decodePixels, sourceSizeOf } from './decode.ts'
import { placeImage } from './geometry.ts'
import { type ImageInput, loadImage } from './input.ts'
import { createNormalize } from './normalize.ts'
import { type ImageDType, type ImageOptions, type ResolvedOptions, resolveOptions } from './options.ts'

/** A row of a batch tensor ([N, 3, H, W] or [N, H, W, 3]) that an image is written to. */
export interface ImageSlot<D extends ImageDType = ImageDType> {
  readonly tensor: Tensor<D>
  readonly row: number
}

export interface DecodedImage<D extends ImageDType = ImageDType> {
  /** [1, 3, H, W] or [1, H, W, 3]; a view of the slot's row where one was given. */
  readonly tensor: Tensor<D>
  /** Maps positions in the source image to positions in the tensor. */
  readonly transform: ImageTransform
}

/** Immutable; decodes any number of images at the same time. */
export interface ImageDecoder<D extends ImageDType = ImageDType> {
  readonly dtype: D
  /** Shape of one image, [1, 3, H, W] or [1, H, W, 3]; undefined where it depends on the image. */
  readonly shape: Shape | undefined
  /**
   * Decodes one image in libuv's thread pool; only the normalisation (about 0.1 ms for 224x224) runs on the event loop.
   * Without `out` the tensor owns new memory. A slot is written at the very end, and not at all on failure.
   * @throws ImageError IMAGE_EMPTY, IMAGE_UNSUPPORTED, IMAGE_CORRUPT or IMAGE_TOO_LARGE for what the image is;
   *   InputError for an input that is no image, or that does not fit the crop or the slot;
   *   AbortError when the signal fires; decoding that already runs is finished and discarded.
   */
  decode(
    input: ImageInput,
    options?: { readonly out?: ImageSlot<D> | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<DecodedImage<D>>
}

/** @throws ConfigError CONFIG_INVALID for options that are unknown, out of range or contradict each other. */
export function createImageDecoder<D extends ImageDType = 'float32'>(options: ImageOptions<D> = {}): ImageDecoder<D> {
  const resolved = resolveOptions(options)
  const normalize = createNormalize(resolved)
  const dtype = resolved.dtype as D
  const fixed =
    resolved.crop ?? resolved.letterbox ?? (typeof resolved.resize === 'object' ? resolved.resize : undefined)

  return {
    dtype,
    shape: fixed && shapeOf(fixed[0], fixed[1], resolved.layout),
    async decode(input, { out, signal } = {}) {
      throwIfAborted(signal)
      const image = await loadImage(input)
      const source = sourceSizeOf(image, resolved)
      const placement = placeImage(source.width, source.height, resolved)
      const shape = shapeOf(placement.width, placement.height, resolved.layout)
      if (out) checkSlot(out, dtype, shape)
      throwIfAborted(signal)
      const pixels = await decodePixels(image, source, placement, resolved)
      throwIfAborted(signal)
      // Not before: pictures that wait for the decoder must not each hold a tensor.
      const tensor = out ? out.tensor.rows(out.row, out.row + 1) : Tensor.zeros(dtype, shape)
      normalize(pixels, tensor.data)
      return { tensor, transform: placement.transform }
    },
  }
}

function shapeOf(width: number, height: number, layout: ResolvedOptions['layout']): Shape {
  return layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3]
}

function checkSlot({ tensor, row }: ImageSlot, dtype: ImageDType, shape: Shape): void {
  if (tensor.dtype !== dtype) {
    throw new InputError('INPUT_DTYPE', {
      message: `Expected a ${dtype} tensor to decode into, got ${tensor.dtype}.`,
      remedy: 'Allocate the batch with the `dtype` of the image options.',
      expected: dtype,
      received: tensor.dtype,
    })
  }
  if (!sameShape(tensor.shape.slice(1), shape.slice(1))) {
    throw new InputError('INPUT_SHAPE', {
      message: `Expected a tensor [N, ${shape.slice(1).join(', ')}] to decode into, got [${tensor.shape.join(', ')}].`,
      remedy: 'Allocate the batch for the size and layout that the image options give.',
      expected: shape,
      received: tensor.shape,
    })
  }
  if (!(Number.isInteger(row) && row >= 0 && row < tensor.shape[0]!)) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a row from 0 to ${tensor.shape[0]! - 1}, got ${row}.`,
      remedy: 'Rows are the images of the batch tensor.',
      received: row,
    })
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new AbortError({
    message: 'The image was not decoded: the request was aborted.',
    remedy: 'Nothing to do where that was intended; the reason of the signal is the cause.',
    cause: signal.reason,
  })
}
