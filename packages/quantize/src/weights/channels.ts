import { type Shape, sizeOf } from '@lowlat/core'

/** How the channels of a weight lie in memory: `outer` blocks, each with `inner` elements of every channel in turn. */
export interface ChannelLayout {
  readonly channels: number
  readonly outer: number
  readonly inner: number
}

/** One channel in all where the axis is undefined. */
export function channelLayout(shape: Shape, axis: number | undefined): ChannelLayout {
  if (axis === undefined) return { channels: 1, outer: 1, inner: sizeOf(shape) }
  return { channels: shape[axis]!, outer: sizeOf(shape.slice(0, axis)), inner: sizeOf(shape.slice(axis + 1)) }
}

/** Offsets where the runs of `inner` elements of a channel begin. */
export function* runsOf({ channels, outer, inner }: ChannelLayout, channel: number): Generator<number> {
  for (let block = 0; block < outer; block++) yield (block * channels + channel) * inner
}
