import { type ImageOptions, imagenet, mobilenet, squeezenetCaffe } from '@lowlat/preprocess'

export const presetNames = ['imagenet', 'mobilenet', 'squeezenet'] as const
export type PresetName = (typeof presetNames)[number]

/** A preset, whose size follows the model's, or all options. */
export type PreprocessChoice = PresetName | ImageOptions

/** What the preset means for a model that takes squares of `side` pixels. */
const presets: Readonly<Record<PresetName, (side: number) => ImageOptions>> = {
  // The shorter side to 256 / 224 of the crop's.
  imagenet: (side) => ({ ...imagenet, resize: Math.round((side * 256) / 224), crop: side }),
  mobilenet: (side) => ({ ...mobilenet, resize: [side, side] }),
  // 256 for its 227.
  squeezenet: (side) => ({ ...squeezenetCaffe, resize: Math.round((side * 256) / 227), crop: side }),
}

export function imageOptionsFor(choice: PreprocessChoice, side: number): ImageOptions {
  return typeof choice === 'string' ? presets[choice](side) : choice
}
