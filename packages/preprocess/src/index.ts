export { type DecodeBatchOptions, type DecodedBatch, decodeBatch } from './batch.ts'
export {
  createImageDecoder,
  type DecodedImage,
  type DecodeOptions,
  type ImageDecoder,
  type ImageSlot,
} from './decoder.ts'
export { type ImageFormat, type ImageHeader, readImageHeader } from './header.ts'
export type { ImageInput, RawImage } from './input.ts'
export type { ImageDType, ImageOptions, ImageSize, PerChannel } from './options.ts'
export { imagenet, mobilenet, squeezenetCaffe, yolov8, yolox } from './presets.ts'
export { decodeImage } from './stage.ts'
