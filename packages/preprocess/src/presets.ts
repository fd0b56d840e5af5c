/**
 * What well-known models expect of their input, to be spread into image options:
 * `decodeImage({ resize: 256, crop: 224, ...imagenet })`. Sizes belong to the model and stand beside the preset, and
 * whatever follows the spread overrides it.
 */
import type { ImageOptions } from './options.ts'

/** torchvision's classification models: RGB in 0..1, standardised by ImageNet's mean and deviation. */
export const imagenet = {
  channelOrder: 'RGB',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const satisfies ImageOptions

/** MobileNets as TensorFlow trains them: the middle 87.5 %, RGB, (x - 128) / 128. With `resize: [224, 224]`. */
export const mobilenet = {
  centralFraction: 0.875,
  channelOrder: 'RGB',
  mean: 128,
  std: 128,
} as const satisfies ImageOptions

/** Caffe's SqueezeNet: BGR minus the mean colour. With `resize: 256, crop: 227`. */
export const squeezenetCaffe = {
  channelOrder: 'BGR',
  mean: [104, 117, 123],
} as const satisfies ImageOptions

/** YOLOX: BGR in 0..255, padded right and below. With `letterbox: 416` (nano, tiny) or 640. */
export const yolox = {
  channelOrder: 'BGR',
  letterboxAlign: 'top-left',
  padColor: 114,
} as const satisfies ImageOptions

/** YOLOv5, v8 and later of Ultralytics: RGB in 0..1, padded on both sides. With `letterbox: 640`. */
export const yolov8 = {
  channelOrder: 'RGB',
  scale: 1 / 255,
  letterboxAlign: 'centre',
  padColor: 114,
} as const satisfies ImageOptions
