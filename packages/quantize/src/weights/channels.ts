import { type Shape, sizeOf } from '@lowlat/core'

/** How the channels of a weight lie in memory: `outer` blocks, each with `inner` elements of every channel in turn. */
interface ChannelLayout {
  readonly channels: number
  readonly outer: number
  readonly inner: number
}

/** Channels that are copied at a time: a few cache lines of every block, where a channel is one column of a matrix. */
const TILE = 64

/** One channel in all where the axis is undefined. */
export function channelLayout(shape: Shape, axis: number | undefined): ChannelLayout {
  if (axis === undefined) return { channels: 1, outer: 1, inner: sizeOf(shape) }
  return { channels: shape[axis]!, outer: sizeOf(shape.slice(0, axis)), inner: sizeOf(shape.slice(axis + 1)) }
}

/** The elements channel after channel. Copies, unless they lie so already. */
export function gatherChannels<T extends Float32Array | Int8Array | Uint8Array>(data: T, layout: ChannelLayout): T {
  return layout.outer === 1 ? data : reorder(data, layout, true)
}

/** The opposite of {@link gatherChannels}. */
export function scatterChannels<T extends Float32Array | Int8Array | Uint8Array>(data: T, layout: ChannelLayout): T {
  return layout.outer === 1 ? data : reorder(data, layout, false)
}

function reorder<T extends Float32Array | Int8Array | Uint8Array>(data: T, layout: ChannelLayout, gather: boolean): T {
  const { channels, outer, inner } = layout
  const reordered = data.slice() as T
  for (let first = 0; first < channels; first += TILE) {
    const end = Math.min(first + TILE, channels)
    for (let block = 0; block < outer; block++) {
      for (let channel = first; channel < end; channel++) {
        const stored = (block * channels + channel) * inner
        const gathered = (channel * outer + block) * inner
        const from = gather ? stored : gathered
        const to = gather ? gathered : stored
        for (let i = 0; i < inner; i++) reordered[to + i] = data[from + i]!
      }
    }
  }
  return reordered
}
