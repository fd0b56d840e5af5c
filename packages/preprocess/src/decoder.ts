import {
  boundsRules,
  checkArgument,
  checkBounds,
  checkOptions,
  describeValue,
  ImageError,
  type ImageTransform,
  InputError,
  monotonicUs,
  type RequestBounds,
  type Rule,
  type RulesFor,
  type Shape,
  type SpanSink,
  spanSinkRule,
  systemClock,
  Tensor,
  tensorRule,
} from '@lowlat/core'
import { decodePixels, prepareImage } from './decode.ts'
import { DecodeQueue } from './decode-queue.ts'
import { type ImageInput, imageFrom, type LoadedImage, readImageFile } from './input.ts'
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

export interface DecodeOptions<D extends ImageDType = ImageDType> extends RequestBounds {
  /** Where the image goes; a new tensor without it. Written at the very end, and not at all on failure. */
  readonly out?: ImageSlot<D> | undefined
  /** Receives how long the image waited ('queue') and how long decoding took ('preprocess'). */
  readonly timeline?: SpanSink | undefined
}

const slotRule: Rule = {
  expected: 'a slot { tensor, row }',
  accepts: (value) => typeof value === 'object' && value !== null && 'tensor' in value && 'row' in value,
}
const decodeRules: RulesFor<DecodeOptions> = { ...boundsRules, out: slotRule, timeline: spanSinkRule }

/** Decodes several images at the same time, and keeps the surplus in a bounded queue. Holds nothing to dispose. */
export interface ImageDecoder<D extends ImageDType = ImageDType> {
  readonly dtype: D
  /** Shape of one image, [1, 3, H, W] or [1, H, W, 3]; undefined where it depends on the image. */
  readonly shape: Shape | undefined
  /** Images that are decoded at the same time. */
  readonly concurrency: number
  /**
   * Decodes one image in libuv's thread pool; only the normalisation (about 0.1 ms for 224x224) runs on the event loop.
   * Bytes and raw pixels are checked before they join the queue, files once they are read, which is when it is their
   * turn. Without `out` the tensor owns new memory, which it gets when the decoding starts.
   * @throws (as rejection) ImageError IMAGE_EMPTY, IMAGE_UNSUPPORTED, IMAGE_CORRUPT or IMAGE_TOO_LARGE for what the
   *   image is; InputError for an input that is no image, or that does not fit the crop or the slot, and for options that are unknown
   *   or of the wrong type; QueueFullError;
   *   DeadlineError or AbortError as soon as the image is late or aborted: it then leaves the queue, while decoding that
   *   already runs is finished and discarded.
   */
  decode(input: ImageInput, options?: DecodeOptions<D>): Promise<DecodedImage<D>>
}

/** @throws ConfigError CONFIG_INVALID for options that are unknown, out of range or contradict each other. */
export function createImageDecoder<D extends ImageDType = 'float32'>(options: ImageOptions<D> = {}): ImageDecoder<D> {
  const resolved = resolveOptions(options)
  const normalize = createNormalize(resolved)
  const queue = new DecodeQueue(resolved)
  const { layout, concurrency } = resolved
  const dtype = resolved.dtype as D
  const fixed =
    resolved.crop ?? resolved.letterbox ?? (typeof resolved.resize === 'object' ? resolved.resize : undefined)

  const prepare = (image: LoadedImage, out: ImageSlot<D> | undefined) => {
    const prepared = prepareImage(image, resolved)
    const { width, height } = prepared.placement
    const shape = shapeOf(width, height, layout)
    if (out) checkSlot(out, dtype, shape)
    return { prepared, shape }
  }

  return {
    dtype,
    shape: fixed && shapeOf(fixed[0], fixed[1], layout),
    concurrency,
    async decode(input, options = {}) {
      checkOptions('decode options', options, decodeRules)
      const { out, timeline } = options
      const queuedUs = monotonicUs()
      const image = imageFrom(input)
      const checked = image.kind === 'file' ? image : prepare(image, out)
      return queue.run(async () => {
        const startUs = monotonicUs()
        timeline?.span('queue', queuedUs, startUs)
        const { prepared, shape } = 'kind' in checked ? prepare(await readImageFile(checked), out) : checked
        // The memory is made while the decoder works, for images that have their turn alone.
        const [pixels, tensor] = await Promise.all([decodePixels(prepared, resolved), tensorFor(out, dtype, shape)])
        checkBounds(options, systemClock, 'while the image was decoded')
        if (pixels.length !== tensor.size) throw changedMeanwhile(tensor.size, pixels.length)
        normalize(pixels, tensor.data)
        timeline?.span('preprocess', startUs, monotonicUs(), 'decodeImage')
        return { tensor, transform: prepared.placement.transform }
      }, options)
    },
  }
}

function shapeOf(width: number, height: number, layout: ResolvedOptions['layout']): Shape {
  return layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3]
}

async function tensorFor<D extends ImageDType>(
  out: ImageSlot<D> | undefined,
  dtype: D,
  shape: Shape,
): Promise<Tensor<D>> {
  if (out) return out.tensor.rows(out.row, out.row + 1)
  try {
    return Tensor.zeros(dtype, shape)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new ImageError('IMAGE_TOO_LARGE', {
      message: `There is no memory for a ${dtype} tensor [${shape.join(', ')}]: ${error.message}.`,
      remedy: 'Scale the image down with `resize` or `letterbox`, or lower `limitInputPixels`.',
      received: shape,
      cause: error,
    })
  }
}

function checkSlot({ tensor, row }: ImageSlot, dtype: ImageDType, shape: Shape): void {
  checkArgument('out.tensor', tensor, tensorRule)
  if (tensor.dtype !== dtype) {
    throw new InputError('INPUT_DTYPE', {
      message: `Expected a ${dtype} tensor to decode into, got ${tensor.dtype}.`,
      remedy: 'Allocate the batch with the `dtype` of the image options.',
      expected: dtype,
      received: tensor.dtype,
    })
  }
  if (tensor.shape.length !== 4 || shape.some((dim, axis) => axis > 0 && dim !== tensor.shape[axis])) {
    throw new InputError('INPUT_SHAPE', {
      message: `Expected a tensor [N, ${shape.slice(1).join(', ')}] to decode into, got [${tensor.shape.join(', ')}].`,
      remedy: 'Allocate the batch for the size and layout that the image options give.',
      expected: shape,
      received: tensor.shape,
    })
  }
  if (!(Number.isInteger(row) && row >= 0 && row < tensor.shape[0]!)) {
    throw new InputError('INVALID_ARGUMENT', {
      message: `Expected a row from 0 to ${tensor.shape[0]! - 1}, got ${describeValue(row)}.`,
      remedy: 'Rows are the images of the batch tensor.',
      received: row,
    })
  }
}

/** Memory that was transferred to another thread while the image waited is empty. */
function changedMeanwhile(expected: number, received: number): InputError {
  return new InputError('INPUT_BYTE_LENGTH', {
    message: `Expected ${expected} bytes of pixels, got ${received}: the image changed while it was decoded.`,
    remedy: 'Leave the memory of an image alone until its decoding has settled.',
    expected,
    received,
  })
}
