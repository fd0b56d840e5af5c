import { type DType, type Shape, sizeOf } from '@lowlat/core'
import { channelsLastStrides, type DeviceBuffer, rowMajorStrides, type View } from '../program/view.ts'

/** Which axes lie next to which: row-major, channels innermost (NHWC), or axes listed from the outermost to the innermost. */
export type Layout = 'row-major' | 'channels-last' | readonly number[]

/** Strides of a dense tensor in a layout. */
export function stridesFor(shape: Shape, layout: Layout): number[] {
  if (layout === 'row-major') return rowMajorStrides(shape)
  if (layout === 'channels-last') return channelsLastStrides(shape)
  const strides = new Array<number>(shape.length).fill(1)
  let step = 1
  for (const axis of layout.toReversed()) {
    strides[axis] = step
    step *= shape[axis]!
  }
  return strides
}

const noBuffer: DeviceBuffer = { kind: 'temporary', name: '', sizeBytes: 0 }

/** A view that only says how a tensor would lie. */
export function denseView(dtype: DType, shape: Shape, layout: Layout): View {
  return { buffer: noBuffer, dtype, shape, strides: stridesFor(shape, layout), offset: 0 }
}

/**
 * The axes of a view from the outermost to the innermost in memory: what makes an element-wise result lie as its operand
 * does. Repeated axes (stride 0) count as outermost; axes of size 1 stay beside their left neighbour.
 */
export function axisOrder({ shape, strides }: View): number[] {
  const weights: number[] = []
  for (const [axis, size] of shape.entries()) {
    const stride = Math.abs(strides[axis]!)
    if (size === 1) weights.push(weights[axis - 1] ?? Number.POSITIVE_INFINITY)
    else weights.push(stride === 0 ? Number.POSITIVE_INFINITY : stride)
  }
  return [...shape.keys()].sort((a, b) => {
    const [left, right] = [weights[a]!, weights[b]!]
    return left === right ? a - b : right - left
  })
}

/** Whether the elements lie as in a dense tensor of this layout; strides of axes of size 1 do not matter. */
export function hasLayout(view: View, layout: Layout): boolean {
  if (sizeOf(view.shape) === 0) return true
  const strides = stridesFor(view.shape, layout)
  return view.shape.every((size, axis) => size === 1 || strides[axis] === view.strides[axis])
}

/**
 * Whether a tensor can be read as [pixels, channels] (NHWC): channels contiguous and pixels at a uniform pitch of at least
 * the number of channels. Gives the pitch in elements.
 */
export function pixelPitch({ shape, strides }: View): number | undefined {
  const [batch, channels, ...spatial] = shape
  if (batch === undefined || channels === undefined) return undefined
  if (channels > 1 && strides[1] !== 1) return undefined
  const axes = [0, ...spatial.map((_, index) => index + 2)].filter((axis) => shape[axis]! > 1)
  let pitch: number | undefined
  let expected = 0
  for (const axis of axes.toReversed()) {
    pitch ??= strides[axis]!
    if (pitch < channels || (expected !== 0 && strides[axis] !== expected)) return undefined
    expected = strides[axis]! * shape[axis]!
  }
  return pitch ?? channels
}
