import type { View } from '../program/view.ts'

/** Elements from one image, line, pixel and channel to the next. */
export interface PlaceStrides {
  readonly image: number
  readonly line: number
  readonly pixel: number
  readonly channel: number
}

export const nowhere: PlaceStrides = { image: 0, line: 0, pixel: 0, channel: 0 }

/** Sizes and strides of [N, C, H, W]; a missing H is 1. */
interface Planes {
  readonly images: number
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly strides: PlaceStrides
}

export function planesOf({ shape, strides }: View): Planes {
  if (shape.length !== 3 && shape.length !== 4) throw new Error(`A convolution wants [N, C, (H,) W], got [${shape}].`)
  const [images, channels] = shape
  const height = shape.length === 4 ? shape[2]! : 1
  // A step along an axis of one element is never taken, so that it must not count as unaligned.
  const step = (extent: number, stride: number, otherwise = 0) => (extent > 1 ? stride : otherwise)
  return {
    images: images!,
    channels: channels!,
    height,
    width: shape.at(-1)!,
    strides: {
      image: step(images!, strides[0]!),
      line: step(height, strides.at(-2)!),
      pixel: step(shape.at(-1)!, strides.at(-1)!),
      channel: step(channels!, strides[1]!, 1),
    },
  }
}

/** [height, width] from one or two spatial values. */
export function pair(values: readonly number[], fill: number): [height: number, width: number] {
  return values.length === 1 ? [fill, values[0]!] : [values[0]!, values[1]!]
}

/** Fields of a struct for the strides of a tensor of that name: PLACE_FIELDS of planes.cuh. */
export function placeFields(name: string): Record<string, 'int32'> {
  return { [`${name}Image`]: 'int32', [`${name}Line`]: 'int32', [`${name}Pixel`]: 'int32', [`${name}Channel`]: 'int32' }
}

/** What those fields are set to. */
export function placeArguments(name: string, { image, line, pixel, channel }: PlaceStrides): Record<string, number> {
  return { [`${name}Image`]: image, [`${name}Line`]: line, [`${name}Pixel`]: pixel, [`${name}Channel`]: channel }
}

/** Whether four channels of every place can be moved at once. @param further steps that are taken, in elements. */
export function canMoveFour(
  { offset }: View,
  { image, line, pixel, channel }: PlaceStrides,
  further: readonly number[] = [],
): boolean {
  return channel === 1 && [offset, image, line, pixel, ...further].every((elements) => elements % 4 === 0)
}

/** Fields of a struct for windows over the planes of the input: WINDOW_FIELDS of planes.cuh. */
export const windowFields = {
  height: 'int32',
  width: 'int32',
  strideHeight: 'int32',
  strideWidth: 'int32',
  dilationHeight: 'int32',
  dilationWidth: 'int32',
  padTop: 'int32',
  padLeft: 'int32',
} as const

interface Windows {
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly padsBefore: readonly number[]
}

/** What those fields are set to. @param windows with one or two spatial axes. */
export function windowArguments(
  { height, width }: Pick<Planes, 'height' | 'width'>,
  { strides, dilations, padsBefore }: Windows,
): Record<keyof typeof windowFields, number> {
  const [strideHeight, strideWidth] = pair(strides, 1)
  const [dilationHeight, dilationWidth] = pair(dilations, 1)
  const [padTop, padLeft] = pair(padsBefore, 0)
  return { height, width, strideHeight, strideWidth, dilationHeight, dilationWidth, padTop, padLeft }
}
