import { ConfigError, describeValue } from '@lowlat/core'

/** Sizes are in pixels: one number for a square, or [width, height] (mind that torchvision writes height first). */
export type ImageSize = number | readonly [width: number, height: number]

/** One number for all channels, or one per channel. */
export type PerChannel = number | readonly [number, number, number]

export type ImageDType = 'float32' | 'float16' | 'uint8'

/** How an image becomes a tensor: first its geometry, then its values. Presets are objects to spread into it. */
export interface ImageOptions<D extends ImageDType = ImageDType> {
  /**
   * Keep only the middle of the image: this fraction of each side, in (0, 1]. As TensorFlow's central_crop: the offset
   * is floor((size - size * fraction) / 2) on both sides.
   */
  readonly centralFraction?: number
  /**
   * A number N scales the shorter side to N and the longer to floor(N * long / short), as torchvision's Resize(N).
   * [width, height] scales to exactly that, whatever the aspect ratio.
   */
  readonly resize?: ImageSize
  /** Cuts this size out of the middle, after `resize`; offsets round half to even, as torchvision's CenterCrop. */
  readonly crop?: ImageSize
  /** Scales to fit into this size, keeping the aspect ratio, and pads the rest. Excludes the three options above. */
  readonly letterbox?: ImageSize
  /** Where a letterboxed image sits; 'centre' (default) pads on both sides, 'top-left' only right and below. */
  readonly letterboxAlign?: 'centre' | 'top-left'
  /** Colour (R, G, B in 0..255) of a letterbox's padding. Default 114, as the YOLO family trains with. */
  readonly padColor?: PerChannel
  /** Default 'bilinear'. Both are antialiased when they shrink, as Pillow's filters are. */
  readonly interpolation?: 'bilinear' | 'bicubic'
  /**
   * Lets JPEG and WebP decode at a fraction of their size where the target is that much smaller: faster, with pixels
   * that differ from a full decode by more than rounding. Default false.
   */
  readonly shrinkOnLoad?: boolean

  /** Order of the tensor's channels. Default 'RGB'. */
  readonly channelOrder?: 'RGB' | 'BGR'
  /** A channel's value x in 0..255 becomes (x * scale - mean) / std; each in the tensor's channel order. Default 1. */
  readonly scale?: PerChannel
  /** Default 0. */
  readonly mean?: PerChannel
  /** Default 1. */
  readonly std?: PerChannel
  /** Default 'NCHW': [1, 3, height, width]; 'NHWC' gives [1, height, width, 3]. */
  readonly layout?: 'NCHW' | 'NHWC'
  /** Default 'float32'. uint8 rounds to the nearest integer and clamps to 0..255. */
  readonly dtype?: D

  /**
   * Turn the image as its EXIF orientation says, so that it is upright as in every viewer. Default true; Pillow and
   * torchvision's default loader do not do it.
   */
  readonly autoOrient?: boolean
  /** Colour (R, G, B in 0..255) that shows through transparent pixels. Default black. */
  readonly background?: PerChannel
  /**
   * What damage makes an image corrupt, each level including those before: missing data ('truncated'), errors, or
   * anything that the decoder warns of ('warning', the default). With 'none' the missing part is grey or black.
   */
  readonly failOn?: 'none' | 'truncated' | 'error' | 'warning'
  /**
   * Most pixels (width * height) that an image may have, checked in its header before decoding, and that scaling and
   * padding may give it. Default 268402689.
   */
  readonly limitInputPixels?: number

  /** Images that are decoded at the same time. Default: the threads of libuv's pool (UV_THREADPOOL_SIZE, else 4). */
  readonly concurrency?: number
  /** Images that may wait to be decoded; more are rejected at once. Default 1024, as for sessions. */
  readonly maxQueue?: number
}

type Triple = readonly [number, number, number]
type Pair = readonly [width: number, height: number]

/** Options with every default filled in and every shorthand written out. */
export interface ResolvedOptions {
  readonly centralFraction: number
  /** A number stays one: the length of the shorter side. */
  readonly resize: number | Pair | undefined
  readonly crop: Pair | undefined
  readonly letterbox: Pair | undefined
  readonly letterboxAlign: 'centre' | 'top-left'
  readonly padColor: Triple
  readonly interpolation: 'bilinear' | 'bicubic'
  readonly shrinkOnLoad: boolean
  readonly channelOrder: 'RGB' | 'BGR'
  readonly scale: Triple
  readonly mean: Triple
  readonly std: Triple
  readonly layout: 'NCHW' | 'NHWC'
  readonly dtype: ImageDType
  readonly autoOrient: boolean
  readonly background: Triple
  readonly failOn: 'none' | 'truncated' | 'error' | 'warning'
  readonly limitInputPixels: number
  readonly concurrency: number
  readonly maxQueue: number
}

/** Sharp's own default, 0x3FFF squared. */
const DEFAULT_LIMIT_PIXELS = 268_402_689
const DEFAULT_MAX_QUEUE = 1024

const isNumber = (value: unknown): value is number => Number.isFinite(value)
const isSide = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0
const isColor = (value: unknown): value is number => isNumber(value) && value >= 0 && value <= 255

/** @throws ConfigError CONFIG_INVALID for unknown, ill-typed, out-of-range or contradicting options. */
export function resolveOptions(options: ImageOptions): ResolvedOptions {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new ConfigError('CONFIG_INVALID', {
      message: `Expected an object of image options, got ${describeValue(options)}.`,
      remedy: 'Leave it out, or pass for example { resize: 256, crop: 224 }.',
      received: options,
    })
  }
  const {
    centralFraction = 1,
    resize,
    crop,
    letterbox,
    letterboxAlign = 'centre',
    padColor = 114,
    interpolation = 'bilinear',
    shrinkOnLoad = false,
    channelOrder = 'RGB',
    scale = 1,
    mean = 0,
    std = 1,
    layout = 'NCHW',
    dtype = 'float32',
    autoOrient = true,
    background = 0,
    failOn = 'warning',
    limitInputPixels = DEFAULT_LIMIT_PIXELS,
    concurrency = poolThreads(),
    maxQueue = DEFAULT_MAX_QUEUE,
    ...unknown
  } = options
  const resolved: ResolvedOptions = {
    centralFraction: fraction('centralFraction', centralFraction),
    resize: typeof resize === 'number' ? integer('resize', resize, 1) : size('resize', resize),
    crop: size('crop', crop),
    letterbox: size('letterbox', letterbox),
    letterboxAlign: oneOf('letterboxAlign', letterboxAlign, ['centre', 'top-left']),
    padColor: triple('padColor', padColor, isColor, 'numbers in 0..255'),
    interpolation: oneOf('interpolation', interpolation, ['bilinear', 'bicubic']),
    shrinkOnLoad: flag('shrinkOnLoad', shrinkOnLoad),
    channelOrder: oneOf('channelOrder', channelOrder, ['RGB', 'BGR']),
    scale: triple('scale', scale, isNumber, 'finite numbers'),
    mean: triple('mean', mean, isNumber, 'finite numbers'),
    std: triple('std', std, (value) => isNumber(value) && value !== 0, 'finite numbers other than zero'),
    layout: oneOf('layout', layout, ['NCHW', 'NHWC']),
    dtype: oneOf('dtype', dtype, ['float32', 'float16', 'uint8']),
    autoOrient: flag('autoOrient', autoOrient),
    background: triple('background', background, isColor, 'numbers in 0..255'),
    failOn: oneOf('failOn', failOn, ['none', 'truncated', 'error', 'warning']),
    limitInputPixels: integer('limitInputPixels', limitInputPixels, 1),
    concurrency: integer('concurrency', concurrency, 1),
    maxQueue: integer('maxQueue', maxQueue, 0),
  }
  for (const key of Object.keys(unknown)) throw invalid(key, `one of ${Object.keys(resolved).join(', ')}`, key)
  checkTogether(options, resolved)
  checkSizes(resolved)
  return resolved
}

function checkTogether(options: ImageOptions, { centralFraction, resize, crop, letterbox }: ResolvedOptions): void {
  if (letterbox && (resize || crop || centralFraction !== 1)) {
    throw invalid(
      'letterbox',
      'no resize, crop or centralFraction beside it, since it scales the whole image',
      letterbox,
    )
  }
  if (!letterbox && (options.letterboxAlign ?? options.padColor) !== undefined) {
    throw invalid('letterboxAlign, padColor', 'a `letterbox` size beside them, for example letterbox: 640', 'none')
  }
  if (crop && resize) {
    const [width, height] = guaranteed(resize)
    if (crop[0] > width || crop[1] > height) {
      const within = `at most ${width}x${height}, the size that \`resize\` guarantees`
      throw invalid('crop', within, crop.join('x'))
    }
  }
}

/** What would be refused for every image is refused before the first. */
function checkSizes({ resize, crop, letterbox, limitInputPixels }: ResolvedOptions): void {
  for (const [name, value] of Object.entries({ resize, crop, letterbox })) {
    if (value === undefined) continue
    const [width, height] = guaranteed(value)
    if (width * height > limitInputPixels) {
      throw invalid(name, `at most ${limitInputPixels} pixels (\`limitInputPixels\`)`, `${width}x${height}`)
    }
  }
}

/** The size that scaling gives at least: a number is the shorter side. */
function guaranteed(resize: number | Pair): Pair {
  return typeof resize === 'number' ? [resize, resize] : resize
}

/** The threads of libuv's pool, from the environment as libuv itself reads it. */
function poolThreads(): number {
  const text = process.env.UV_THREADPOOL_SIZE
  if (text === undefined) return 4
  const count = Number.parseInt(text, 10) || 1
  return Math.min(Math.max(count, 1), 1024)
}

function size(name: string, value: ImageSize | undefined): Pair | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number') return [integer(name, value, 1), integer(name, value, 1)]
  if (Array.isArray(value) && value.length === 2 && value.every(isSide)) return value
  throw invalid(name, 'a side in pixels or [width, height], positive integers', value)
}

function integer(name: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value
  throw invalid(name, `an integer, at least ${min}`, value)
}

function fraction(name: string, value: number): number {
  if (isNumber(value) && value > 0 && value <= 1) return value
  throw invalid(name, 'a fraction in (0, 1]', value)
}

function triple(name: string, value: PerChannel, fits: (value: unknown) => boolean, expected: string): Triple {
  const each: readonly unknown[] = Array.isArray(value) ? value : [value, value, value]
  if (each.length === 3 && each.every(fits)) return each as Triple
  throw invalid(name, `one or three ${expected}`, value)
}

function flag(name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value
  throw invalid(name, 'true or false', value)
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  throw invalid(name, `one of ${allowed.join(', ')}`, value)
}

function invalid(name: string, expected: string, received: unknown): ConfigError {
  return new ConfigError('CONFIG_INVALID', {
    message: `Image option '${name}': expected ${expected}, got ${describeValue(received)}.`,
    remedy: 'Correct the option; they are listed in ImageOptions.',
    expected,
    received,
    details: { option: name },
  })
}
