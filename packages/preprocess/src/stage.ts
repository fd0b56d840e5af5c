import { imageTransform, type Stage, type Tensor } from '@lowlat/core'
import { createImageDecoder } from './decoder.ts'
import type { ImageInput } from './input.ts'
import type { ImageDType, ImageOptions } from './options.ts'

/**
 * A pipeline stage from an image to a tensor [1, 3, H, W] (or [1, H, W, 3]) that owns its memory. Attaches the
 * `imageTransform`, by which detection and segmentation stages find their way back to the image. Errors as
 * {@link createImageDecoder} and its `decode`; a failed image does not affect the next. Waiting counts as 'queue' in the
 * request's timeline, decoding as 'preprocess'.
 */
export function decodeImage<D extends ImageDType = 'float32'>(
  options: ImageOptions<D> = {},
): Stage<ImageInput, Tensor<D>> {
  const decoder = createImageDecoder(options)
  return {
    name: 'decodeImage',
    async run(input, context) {
      const { tensor, transform } = await decoder.decode(input, context)
      context.attach(imageTransform, transform)
      return tensor
    },
  }
}
