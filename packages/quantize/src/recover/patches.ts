import type { Shape } from '@lowlat/core'
import type { LayerGeometry } from './layer-geometry.ts'

/** Reads the vectors of inputs that a layer multiplies its weights with. */
export interface PatchReader {
  /** Number of output positions, all samples of the batch together. */
  readonly positions: number
  /** Writes the inputs of one position and group. */
  read(data: ArrayLike<number>, position: number, group: number, into: Float64Array): void
}

export function patchReader(geometry: LayerGeometry, shape: Shape): PatchReader {
  return geometry.kernel.length === 0 ? rowReader(geometry, shape) : windowReader(geometry, shape)
}

function rowReader({ inputs }: LayerGeometry, shape: Shape): PatchReader {
  return {
    positions: shape.reduce((a, b) => a * b, 1) / inputs,
    read(data, position, _group, into) {
      for (let i = 0; i < inputs; i++) into[i] = data[position * inputs + i]!
    },
  }
}

/** Windows over [N, C, ...spatial]; zero outside of the picture. */
function windowReader(geometry: LayerGeometry, [batch = 0, channels = 0, ...spatial]: Shape): PatchReader {
  const { groups, kernel, strides, dilations, padsBefore, padsAfter } = geometry
  const outputs = spatial.map((size, axis) => {
    const reach = dilations[axis]! * (kernel[axis]! - 1) + 1
    return Math.floor((size + padsBefore[axis]! + padsAfter[axis]! - reach) / strides[axis]!) + 1
  })
  const perImage = outputs.reduce((a, b) => a * b, 1)
  const plane = spatial.reduce((a, b) => a * b, 1)
  const depth = channels / groups
  const taps = kernel.reduce((a, b) => a * b, 1)
  const offsets = new Int32Array(taps)

  /** Offset of every kernel element in a plane for the window at `position`; -1 in the padding. */
  function locate(position: number): void {
    for (let tap = 0; tap < taps; tap++) {
      let offset = 0
      let inside = true
      let step = 1
      for (let axis = spatial.length - 1, at = position, within = tap; axis >= 0; axis--) {
        const out = at % outputs[axis]!
        const element = within % kernel[axis]!
        at = (at - out) / outputs[axis]!
        within = (within - element) / kernel[axis]!
        const coordinate = out * strides[axis]! - padsBefore[axis]! + element * dilations[axis]!
        inside &&= coordinate >= 0 && coordinate < spatial[axis]!
        offset += coordinate * step
        step *= spatial[axis]!
      }
      offsets[tap] = inside ? offset : -1
    }
  }

  return {
    positions: batch * perImage,
    read(data, position, group, into) {
      const image = Math.floor(position / perImage)
      locate(position % perImage)
      for (let channel = 0, i = 0; channel < depth; channel++) {
        const start = (image * channels + group * depth + channel) * plane
        for (let tap = 0; tap < taps; tap++) {
          const offset = offsets[tap]!
          into[i++] = offset < 0 ? 0 : data[start + offset]!
        }
      }
    },
  }
}
