/** Sizes of what windows slide over: convolutions and pooling, after ONNX's operator documents. */
import { invalidNode, shapeText } from '../../evaluate/invalid-node.ts'
import type { Node } from '../../graph/node.ts'
import type { PartialShape } from '../../graph/value-type.ts'
import type { PartialDim } from '../dims.ts'
import type { Site } from '../site.ts'

interface Window {
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Begin of every axis, then end of every axis. */
  readonly pads: readonly number[]
  readonly autoPad: string
  readonly ceil: boolean
}

/** @throws ModelError MODEL_INVALID for lists of another length and for strides and dilations below 1. */
export function windowOf(node: Node, axes: number): Window {
  const list = (name: string, length: number, fallback: number, lowest: number) => {
    const values = node.ints(name, new Array(length).fill(fallback))
    if (values.length === length && values.every((value) => value >= lowest)) return values
    throw invalidNode(node, `${length} numbers of at least ${lowest} as ${name}`, shapeText(values))
  }
  return {
    strides: list('strides', axes, 1, 1),
    dilations: list('dilations', axes, 1, 1),
    pads: list('pads', 2 * axes, 0, Number.NEGATIVE_INFINITY),
    autoPad: node.string('auto_pad', 'NOTSET'),
    ceil: node.int('ceil_mode', 0) !== 0,
  }
}

/** Sizes of the windows: the attribute, else the axes of the weights. @throws ModelError MODEL_INVALID. */
export function kernelOf(site: Site, weights: PartialShape | undefined): PartialShape | undefined {
  const { node } = site
  if (!node.attributes.has('kernel_shape')) return weights
  const kernel = node.ints('kernel_shape')
  const differs = weights?.some((dim, axis) => typeof dim === 'number' && dim !== kernel[axis])
  if (kernel.every((size) => size >= 1) && !differs && (!weights || weights.length === kernel.length)) return kernel
  throw invalidNode(node, weights ? `windows of ${shapeText(weights)}` : 'windows of 1 or more', shapeText(kernel))
}

/** How many windows fit along each axis. A size whose windows change nothing keeps its name. */
export function slidOver(node: Node, spatial: PartialShape, kernel: PartialShape): PartialShape {
  const window = windowOf(node, spatial.length)
  if (kernel.length !== spatial.length) {
    throw invalidNode(node, `windows of ${spatial.length} axes`, shapeText(kernel))
  }
  return spatial.map((dim, axis) => slidOverAxis(node, dim, kernel[axis], window, axis))
}

function slidOverAxis(node: Node, dim: PartialDim, kernel: PartialDim, window: Window, axis: number): PartialDim {
  const { autoPad, ceil, dilations, pads, strides } = window
  const stride = strides[axis]!
  if (autoPad.startsWith('SAME'))
    return stride === 1 ? dim : typeof dim === 'number' ? Math.ceil(dim / stride) : undefined
  if (typeof kernel !== 'number') return undefined
  const padded = autoPad === 'VALID' ? [0, 0] : [pads[axis]!, pads[axis + window.strides.length]!]
  const [begin, end] = padded as [number, number]
  const growth = begin + end - dilations[axis]! * (kernel - 1)
  if (typeof dim !== 'number') return stride === 1 && growth === 0 ? dim : undefined
  const room = dim + growth - 1
  if (room < 0) throw invalidNode(node, `room for a window of ${kernel} on spatial axis ${axis}`, `size ${dim}`)
  if (!ceil) return Math.floor(room / stride) + 1
  const count = Math.ceil(room / stride) + 1
  // A last window that would begin in the padding at the end is left out.
  return (count - 1) * stride >= dim + begin ? count - 1 : count
}
