import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ImageOptions } from '@lowlat/preprocess'

// The package's own name leads to its assets from the sources and from the build alike.
const folder = join(
  dirname(createRequire(import.meta.url).resolve('@lowlat/bench/package.json')),
  'assets',
  'reference',
)

/**
 * A small MobileNetV2 trained on {@link referenceDataset}: `input` [batch, 3, 64, 64] float32 -> `logits`
 * [batch, 16], one per class of {@link referenceClasses}. `fp32` has batch normalisation as layers of its own; `qat` was
 * trained as it computes in INT8 and holds QuantizeLinear and DequantizeLinear. Their accuracy, and how they were made,
 * stands in assets/reference/README.md.
 */
export const referenceModels = {
  fp32: { path: join(folder, 'reference.fp32.onnx') },
  qat: { path: join(folder, 'reference.qat.onnx') },
} as const

/** How the pictures of the reference dataset become the model's input: `decodeImage(referenceImage)`. */
export const referenceImage = {
  resize: [64, 64],
  channelOrder: 'RGB',
  mean: 128,
  std: 64,
} as const satisfies ImageOptions
